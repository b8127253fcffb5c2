"""What a run of all sessions says at its end."""

from tests.rig import summary

RAN = """<testsuites><testsuite tests="4" failures="1" errors="1" skipped="1">
<testcase classname="tests.live.test_a" name="test_good" />
<testcase classname="tests.live.test_a" name="test_bad"><failure message="no">{text}</failure></testcase>
<testcase classname="tests.live.test_b" name="test_broken"><error message="no such engine" /></testcase>
<testcase classname="tests.live.test_b" name="test_left_out"><skipped /></testcase>
</testsuite></testsuites>"""


def test_each_failure_of_each_session_is_told_by_its_end(tmp_path):
    text = "\n".join([*(f"line {number}" for number in range(100)), "E " + "x" * 1000])
    (tmp_path / "live.xml").write_text(RAN.format(text=text))
    (tmp_path / "tests-3.11.xml").write_text(RAN.format(text="assert 1 == 2"))
    first, *others = summary.failures(tmp_path)
    told = first.splitlines()
    assert told[:2] == ["---- live: tests.live.test_a::test_bad", f"line {101 - summary.LINES}"]
    assert told[-1] == "E " + "x" * (summary.LENGTH - 2)
    assert others == [
        "---- live: tests.live.test_b::test_broken\nno such engine",
        "---- tests-3.11: tests.live.test_a::test_bad\nassert 1 == 2",
        "---- tests-3.11: tests.live.test_b::test_broken\nno such engine",
    ]
    assert summary.count(tmp_path) == (2, 4, 2)


def test_summary_says_how_long_each_session_took(tmp_path):
    (tmp_path / "live.xml").write_text('<testsuites><testsuite tests="4" time="61.6" /></testsuites>')
    (tmp_path / "tests-3.11.xml").write_text('<testsuites><testsuite tests="9" time="5" /></testsuites>')
    assert list(summary.durations(tmp_path)) == [
        "live: 4 tests in 1:02 minutes",
        "tests-3.11: 9 tests in 0:05 minutes",
    ]
