"""The encoding of a text file, found from the whole file: UTF-8, UTF-16, UTF-32, or one of the older ones."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at the beginning of a file; those of UTF-32 begin like those of UTF-16."""

_LATIN = ("cp1252", "cp1250", "cp1254", "cp850", "mac_roman")
"""Encodings of alphabets whose words have few letters beyond ASCII; the first wins ties."""
_OTHER = ("cp1251", "koi8_r", "cp866", "cp1253", "cp1255", "cp1256")
"""Encodings of other alphabets, whose words have hardly any ASCII."""
_WIDE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
"""Encodings of several bytes a character."""

_NAMES = {
    "cp1252": "Windows-1252 (Western European)",
    "latin-1": "Latin-1",
    "cp1250": "Windows-1250 (Central European)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp850": "code page 850 (DOS)",
    "mac_roman": "Mac Roman",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "cp866": "code page 866 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp932": "Shift JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "cp949": "code page 949 (Korean)",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without a mark",
    "utf-16-be": "UTF-16 without a mark",
    "utf-32": "UTF-32",
}

_SAMPLE = 1 << 20
"""Bytes of lines beyond ASCII that are looked at."""
_COMMON = {
    "cyrillic": "оеаинтсрвл",
    "greek": "αοιετσνηρπκς",
    "chinese": (
        "的一是不了人我在有他這这中大來来上國国個个到說说們们為为子和你地出道也時时年得就那要下以生"
        "會会自着去之過过家學学對对可她里后小么心多天而能好都然沒没日於于起還还發发成事只作當当想看"
        "文無无开手十用主行方又如前所本見见经頭头面公同三已老从動动兩两長长愛爱龍龙夜女电影"
    ),
    "korean": "이의는에을가고를한로다하은지도서기사나리자스아인시라어정그전수부대과일해보원장으있여와만제상구무마성주",
}


@dataclass(frozen=True)
class Decoded:
    """A file as UTF-8.

    Attributes:
        data: the text, in UTF-8 without a byte order mark.
        encoding: a name of Python's; "utf-8" for what is UTF-8 but for `odd_lines`.
        odd_lines: numbers (from 1) of lines that are not in the encoding of the file, and were read as Windows-1252.
    """

    data: bytes
    encoding: str
    odd_lines: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The encoding by the name that people know."""
        return _NAMES.get(self.encoding, self.encoding.upper())


def wide_encoding(head: bytes) -> str | None:
    """The encoding of a file with two or four bytes a character, by its mark or its zero bytes; else None."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return None if name == "utf-8-sig" else name
    sample = head[: len(head) & ~1][:4096]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    # Delimiters, digits and line ends are ASCII in every table, and a zero byte is on their one side only.
    if odd >= 0.3 * half and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even >= 0.3 * half and odd == 0 else None


def decode(data: bytes) -> Decoded:
    """The text of a file.

    Raises:
        UnicodeDecodeError: what looks like UTF-16 or UTF-32 is damaged.
    """
    wide = wide_encoding(data[:4096])
    if wide is not None:
        if wide.startswith("utf-16"):
            data = data[: len(data) & ~1]  # a file cut short
        return Decoded(data.decode(wide).removeprefix("\ufeff").encode(), wide)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
    except UnicodeDecodeError:
        return _not_utf8(data)
    return Decoded(data, "utf-8")


def _not_utf8(data: bytes) -> Decoded:
    lines = data.split(b"\n")
    good = 0
    odd: list[int] = []
    for number, line in enumerate(lines):
        if not line.isascii():
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                odd.append(number)
    if good >= len(odd):
        for number in odd:
            lines[number] = _western(lines[number]).encode()
        return Decoded(b"\n".join(lines), "utf-8", tuple(number + 1 for number in odd))
    sample = b"\n".join(lines[number] for number in odd)[:_SAMPLE]
    encoding = _older_encoding(sample)
    if encoding == "cp1252":
        return Decoded(_western(data).encode(), encoding)
    return Decoded(data.decode(encoding, errors="replace").encode(), encoding)


def _western(data: bytes) -> str:
    """Windows-1252; its five undefined bytes as in Latin-1, so that this cannot fail."""
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return "".join(_WESTERN[byte] for byte in data)


_WESTERN = [bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(256)]


def _older_encoding(sample: bytes) -> str:
    """The most plausible encoding of lines that are not UTF-8."""
    high = sum(byte > 0x7F for byte in sample)
    runs = re.findall(rb"[\x80-\xff]+", sample)
    long_runs = sum(len(run) for run in runs if len(run) > 2)
    if long_runs < 0.5 * high:  # single letters among ASCII
        return min(_LATIN, key=lambda name: (_oddness(sample, name), _LATIN.index(name)))
    scores = {name: _likeness(sample, name) for name in (*_WIDE, *_OTHER)}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else "cp1252"


def _oddness(sample: bytes, encoding: str) -> float:
    """How much text in a Latin alphabet looks wrong: signs within words, capitals after small letters, rare letters."""
    text = _western(sample) if encoding == "cp1252" else sample.decode(encoding, errors="replace")
    odd = float(text.count("\ufffd")) * 3
    for match in re.finditer(r"[^\x00-\x7f]", text):
        character, before = match[0], text[match.start() - 1 : match.start()]
        after = text[match.end() : match.end() + 1]
        inside = before.isalpha() and after.isalpha()
        if character.isalpha():
            odd += 1.0 if character.isupper() and before.islower() else 0.0
            odd += 0.3 if character not in _USUAL_LATIN else 0.0
        elif inside and character not in "’‘'·-–":
            odd += 1.5
        elif character in "“”‘’–—…«»°·½²³¿¡€£®™©":
            odd += 0.1
        else:
            odd += 0.7
    return odd


_USUAL_LATIN = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœßÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒąćęłńóśźżĄĆĘŁŃÓŚŹŻčďěňřšťůžČĎĚŇŘŠŤŮŽőűŐŰşğıİŞĞăîâțșţ"
)


def _likeness(sample: bytes, encoding: str) -> float:
    """How much a text looks like one in the script of an encoding, −1..1."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding in _WIDE and error.start < len(sample) - 4:
            return -1.0
        text = sample.decode(encoding, errors="ignore")
    beyond = [character for character in text if ord(character) > 0x7F]
    if not beyond:
        return -1.0
    total = len(beyond)

    def share(low: str, high: str) -> float:
        return sum(low <= character <= high for character in beyond) / total

    def common(script: str) -> float:
        return sum(character in _COMMON[script] for character in beyond) / total

    if encoding in ("gb18030", "big5"):
        return share("\u4e00", "\u9fff") * (0.55 + common("chinese"))
    if encoding in ("cp932", "euc_jp"):
        kana = share("\u3040", "\u30ff")
        return (share("\u4e00", "\u9fff") + kana) * (0.4 + kana) - share("\uff61", "\uff9f")
    if encoding == "cp949":
        return share("\uac00", "\ud7a3") * (0.6 + common("korean"))
    ranges = {"cp1253": ("\u0370", "\u03ff"), "cp1255": ("\u05d0", "\u05ea"), "cp1256": ("\u0600", "\u06ff")}
    low, high = ranges.get(encoding, ("\u0400", "\u04ff"))
    score = share(low, high)
    if encoding == "cp1255":  # Greek read as Hebrew has many signs that are no letters
        return 1.2 * score if score > 0.97 else 0.5 * score
    if encoding == "cp1256":
        return score
    # In words, small letters follow; read in another encoding of the script, they do not.
    lower = sum(character.islower() for character in beyond) / total
    return score * (0.1 + 0.4 * lower + 0.8 * common("greek" if encoding == "cp1253" else "cyrillic"))
