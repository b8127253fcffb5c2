"""The console of a server in a browser."""

import random
import re

from playwright.sync_api import expect

from tests.ui.conftest import to_address
from tests.ui.program import HOSTILE, TIMES

COLLECT = """async () => {
  const log = document.querySelector('[role=log]');
  const found = new Map();
  let gaps = 0;
  const frame = () => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
    setTimeout(done, 1000);
  });
  log.scrollTop = 0;
  await frame();
  for (let before = -1; log.scrollTop !== before;) {
    before = log.scrollTop;
    for (const row of log.querySelectorAll('.row[data-line]')) {
      found.set(Number(row.dataset.line), row.querySelector('.text').textContent);
    }
    gaps += log.querySelectorAll('.row.gap').length;
    log.scrollTop += log.clientHeight * 0.8;
    await frame();
  }
  return { lines: [...found].sort((one, other) => one[0] - other[0]), gaps };
}"""
"""What the log has, from its beginning to its end."""

FIRST_ROW = """(log) => {
  const top = log.getBoundingClientRect().top;
  const rows = [...log.querySelectorAll('.row')]
    .map((row) => [row.dataset.line, row.getBoundingClientRect()]);
  const [line, box] = rows.find(([, box]) => box.bottom > top + 1);
  return [line, box.top];
}"""
"""The number of the first visible line, and where it is."""


def test_lines_of_a_reconnect_are_neither_lost_nor_repeated(served, driver):
    served.create("counter")
    count, cuts = 8000, 20
    with driver.open() as page:
        page.goto(to_address(served.relay.url, "/ui/c/counter"))
        log = page.get_by_role("log")
        expect(log).to_contain_text("Ready for players")
        served.say("counter", f"count {count} 400")
        lost = 0
        for _ in range(cuts):
            page.wait_for_timeout(random.randint(100, 700))
            expect(page.locator(".connection")).to_have_text("")
            lost += served.relay.cut() > 0
            expect(page.locator(".connection")).not_to_have_text("")
        assert lost == cuts
        served.wait_line("counter", f"number\x1b[0m {count - 1}")
        expect(log).to_contain_text(f"number {count - 1}")
        expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")
        found = page.evaluate(COLLECT)
    numbers = [number for number, _ in found["lines"]]
    assert found["gaps"] == 0
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    counted = [text for _, text in found["lines"] if text.startswith(("number", "> number"))]
    assert [text.removeprefix("> ") for text in counted] == [f"number {number}" for number in range(count)]


def test_hostile_lines_affect_nothing_outside_of_them(served, tab):
    name = f"hostile-{tab.viewport_size['width']}"
    served.create(name)
    tab.goto(to_address(served.url, f"/ui/c/{name}"))
    log = tab.get_by_role("log")
    expect(log).to_contain_text("Ready for players")
    served.say(name, "hostile")
    served.wait_line(name, f"plain {TIMES - 1}")
    expect(log).to_contain_text(f"plain {TIMES - 1}")
    assert tab.title() == f"{name} · lightd"
    seen = tab.evaluate(
        """async () => {
          const log = document.querySelector('[role=log]');
          const odd = [], plain = new Set(), links = new Set(), names = new Set();
          const frame = () => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
    setTimeout(done, 1000);
  });
          for (let before = -1, steps = 0; log.scrollTop !== before && steps < 500; steps += 1) {
            before = log.scrollTop;
            log.scrollTop -= log.clientHeight * 2.5;
            await frame();
            let bottom = -Infinity;
            for (const row of log.querySelectorAll('.row[data-line]')) {
              const box = row.getBoundingClientRect();
              if (box.top < bottom - 0.5) odd.push('overlap at ' + row.dataset.line);
              bottom = box.bottom;
              if (row.scrollWidth > log.clientWidth) odd.push('wide: ' + row.dataset.line);
              for (const each of row.querySelectorAll('*')) names.add(each.localName);
              for (const each of row.querySelectorAll('a')) links.add(each.href + ' ' + each.rel);
              const text = row.querySelector('.text');
              if (/^plain \\d+$/.test(text.textContent)) {
                const style = getComputedStyle(text);
                const { color, fontWeight, textDecorationLine, direction } = style;
                plain.add([color, fontWeight, textDecorationLine, direction, text.children.length].join());
              }
            }
          }
          const wide = document.documentElement.scrollWidth > innerWidth;
          odd.push(...(log.scrollTop > 0 ? ['not scrolled to the top: ' + log.scrollTop] : []));
          return { odd, plain: [...plain], links: [...links], names: [...names], wide };
        }"""
    )
    assert seen["odd"] == []
    assert len(seen["plain"]) == 1
    assert seen["plain"][0].endswith(",400,none,ltr,0")
    assert set(seen["names"]) <= {"a", "span"}
    assert all(link.startswith(("http://", "https://")) and "noopener" in link for link in seen["links"])
    assert not seen["wide"]
    assert len(HOSTILE) * TIMES == 500


def test_command_is_sent_and_shown_as_typed_here(served, tab):
    tab.goto(to_address(served.url, "/ui/c/game"))
    box = tab.get_by_role("textbox", name="Command")
    box.fill("say hello")
    box.press("Enter")
    log = tab.get_by_role("log")
    expect(log).to_contain_text("heard: say hello")
    expect(log.locator(".typed")).to_contain_text("say hello")
    expect(box).to_have_value("")
    box.press("ArrowUp")
    expect(box).to_have_value("say hello")
    box.press("ArrowDown")
    expect(box).to_have_value("")


def test_unfinished_line_is_shown_and_replaced(served, window):
    window.goto(to_address(served.url, "/ui/c/game"))
    expect(window.locator(".row.partial")).to_contain_text(">")
    expect(window.locator(".row.partial")).to_have_count(1)


def test_power_buttons_do_what_they_say(served, tab):
    name = f"power-{tab.viewport_size['width']}"
    served.create(name, start=False)
    tab.goto(to_address(served.url, f"/ui/c/{name}"))
    state = tab.locator(".title .badge")
    expect(state).to_have_text("offline")
    stop = tab.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_have_attribute("aria-disabled", "true")
    tab.get_by_role("button", name="Start", exact=True).click()
    expect(tab.locator(".operation")).to_have_text("Starting: done")
    expect(state).to_have_text("running")
    stop.click()
    expect(state).to_have_text("offline")
    expect(tab.get_by_role("log")).to_contain_text("Saving the world")
    tab.get_by_role("button", name="Start", exact=True).click()
    expect(state).to_have_text("running")
    tab.get_by_role("button", name="Kill", exact=True).click()
    tab.get_by_role("dialog").get_by_role("button", name="Kill").click()
    expect(state).to_have_text("offline")


def test_failed_operation_says_why(served, window):
    served.create("refusing", start=False, startup_command="exit 7", start_pattern="never")
    window.goto(to_address(served.url, "/ui/c/refusing"))
    window.get_by_role("button", name="Start", exact=True).click()
    expect(window.locator(".operation.failed")).to_be_visible()


def test_older_lines_are_loaded_by_scrolling(served, driver):
    served.create("older")
    served.say("older", "count 4000 100000")
    served.wait_line("older", "number\x1b[0m 3999")
    with driver.open() as page:
        page.goto(to_address(served.url, "/ui/c/older"))
        log = page.get_by_role("log")
        expect(log).to_contain_text("number 3999")
        log.focus()
        page.keyboard.press("PageUp")
        expect(page.get_by_role("button", name="Newest lines")).to_be_visible()
        for _ in range(400):
            if log.locator(".row", has_text="Ready for players").count():
                break
            log.evaluate("(log) => { log.scrollTop = Math.max(0, log.scrollTop - 20 * log.clientHeight) }")
            page.wait_for_timeout(50)
        expect(log).to_contain_text("Ready for players")
        found = page.evaluate(COLLECT)
        assert found["gaps"] == 0
        assert len([1 for _, text in found["lines"] if "number" in text]) == 4000


def test_reader_who_scrolled_up_stays_there(served, window):
    served.create("reader")
    served.say("reader", "count 300 100000")
    served.wait_line("reader", "number\x1b[0m 299")
    window.goto(to_address(served.url, "/ui/c/reader"))
    log = window.get_by_role("log")
    expect(log).to_contain_text("number 299")
    log.hover()
    window.mouse.wheel(0, -1500)
    expect(window.get_by_role("button", name="Newest lines")).to_be_visible()
    window.wait_for_timeout(200)
    first = FIRST_ROW
    before = log.evaluate(first)
    served.say("reader", "count 300 1000")
    served.wait_line("reader", "number\x1b[0m 299")
    expect(window.get_by_role("button", name=re.compile(r"\d new lines"))).to_be_visible()
    assert log.evaluate(first) == before


def test_lines_are_selected_and_copied_by_keyboard(served, driver):
    served.create("copied")
    served.say("copied", "count 50 100000")
    served.wait_line("copied", "number\x1b[0m 49")
    with driver.open(permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(to_address(served.url, "/ui/c/copied"))
        log = page.get_by_role("log")
        expect(log).to_contain_text("number 49")
        log.focus()
        for _ in range(3):
            page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("Control+c")
        copied = page.evaluate("navigator.clipboard.readText()").split("\n")
        assert len(copied) == 3
        numbers = [int(text.removeprefix("number ")) for text in copied]
        assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_selection_survives_new_lines(served, window):
    served.create("selected")
    served.say("selected", "count 50 100000")
    served.wait_line("selected", "number\x1b[0m 49")
    window.goto(to_address(served.url, "/ui/c/selected"))
    row = window.locator(".row", has_text="number 40")
    row.locator(".text").dblclick()
    chosen = window.evaluate("getSelection().toString().trim()")
    assert chosen
    served.say("selected", "count 200 2000")
    served.wait_line("selected", "number\x1b[0m 199")
    window.wait_for_timeout(300)
    assert window.evaluate("getSelection().toString().trim()") == chosen


def test_search_finds_a_line_that_was_not_loaded(served, window):
    served.create("searched")
    served.say("searched", "first-of-all")
    served.say("searched", "count 3000 100000")
    served.wait_line("searched", "number\x1b[0m 2999")
    window.goto(to_address(served.url, "/ui/c/searched"))
    expect(window.get_by_role("log")).to_contain_text("number 2999")
    box = window.get_by_role("searchbox", name="Find in the console")
    box.fill("number 2990")
    box.press("Enter")
    expect(window.locator(".row.marked")).to_contain_text("number 2990")
    box.fill("heard: first-of-all")
    window.get_by_role("button", name="Search all lines of the daemon").click()
    window.get_by_role("dialog").get_by_role("button", name="heard: first-of-all").click()
    expect(window.locator(".row.marked")).to_contain_text("heard: first-of-all")


def test_lost_connection_is_said_and_found_again(served, driver):
    with driver.open() as page:
        page.goto(to_address(served.relay.url, "/ui/c/game"))
        expect(page.get_by_role("log")).to_contain_text("Ready for players")
        served.relay.close()
        expect(page.get_by_text("connection lost, trying again")).to_be_visible()
        served.relay.open()
        expect(page.get_by_text("connection lost, trying again")).to_have_count(0)
        served.say("game", "after-the-loss")
        expect(page.get_by_role("log")).to_contain_text("heard: after-the-loss")
