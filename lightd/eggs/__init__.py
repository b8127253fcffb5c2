"""Eggs: descriptions of games in the formats of Pterodactyl and Pelican.

``formats`` reads an egg file, ``rules`` checks the values of its variables, ``placeholders`` fills in what it
leaves open, and ``rendering`` changes the configuration files of a game as it says: they are pure. ``store``
keeps the eggs that were imported, in the files of ``version_files``.
"""
