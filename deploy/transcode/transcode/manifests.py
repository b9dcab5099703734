"""Writes the manifests: HLS (RFC 8216) and DASH (ISO/IEC 23009-1) over the same files."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from xml.sax.saxutils import quoteattr

from .boxes import Segment
from .ladder import Rung
from .title import Title, Track

GROUP = "sound"
# A player starts with the first variant: the best of those below this many bits a second, for it starts fast everywhere.
START = 3_000_000


def media_playlist(track: Track) -> str:
    """The HLS playlist of one track, which lies beside its segments."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{track.target}"]
    lines += ["#EXT-X-MEDIA-SEQUENCE:1", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += ['#EXT-X-MAP:URI="init.mp4"']
    for segment in track.segments:
        lines += [f"#EXTINF:{float(track.lasts(segment)):.6f},", segment.name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def multivariant(title: Title, folder: str) -> str:
    """The playlist of all variants; `folder` is where the tracks lie, from where it does."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS", ""]
    for number, (sound, track) in enumerate(title.sounds):
        words = f'TYPE=AUDIO,GROUP-ID="{GROUP}",NAME="{_name(title, number)}"'
        words += "" if sound.language == "und" else f',LANGUAGE="{sound.language}"'
        words += f',DEFAULT={"NO" if number else "YES"},AUTOSELECT=YES,CHANNELS="2"'
        lines.append(f'#EXT-X-MEDIA:{words},URI="{folder}/{track.name}/index.m3u8"')
    lines += [""] if title.sounds else []
    for rung, track in _ordered(title):
        lines += [f"#EXT-X-STREAM-INF:{_variant(title, rung, track)}", f"{folder}/{track.name}/index.m3u8"]
    return "\n".join([*lines, ""])


def _name(title: Title, number: int) -> str:
    """No two of a group may have one name."""
    labels = [sound.label for sound, _ in title.sounds]
    label = labels[number]
    return label if labels.count(label) == 1 else f"{label} ({number + 1})"


def _ordered(title: Title) -> list[tuple[Rung, Track]]:
    # They are there largest first.
    begin = next((n for n, (_, track) in enumerate(title.pictures) if track.peak < START), len(title.pictures) - 1)
    return [title.pictures[begin], *title.pictures[:begin], *title.pictures[begin + 1 :]]


def _variant(title: Title, rung: Rung, track: Track) -> str:
    sounds = [sound for _, sound in title.sounds]
    codecs = ",".join(dict.fromkeys([track.init.codec, *(sound.init.codec for sound in sounds)]))
    peak = track.peak + max((sound.peak for sound in sounds), default=0)
    average = track.average + max((sound.average for sound in sounds), default=0)
    words = f'BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS="{codecs}",RESOLUTION={rung.width}x{rung.height}'
    words += f",FRAME-RATE={float(title.plan.cut.rate):.3f}"
    words += f',AUDIO="{GROUP}"' if sounds else ""
    return f"{words},CLOSED-CAPTIONS=NONE"


def mpd(title: Title, folder: str) -> str:
    """The MPD; `folder` is where the tracks lie, from where it does."""
    longest = max(track.longest for track in title.tracks)
    profiles = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019"
    times = (
        f'mediaPresentationDuration="{_time(title.seconds)}" minBufferTime="PT4S" maxSegmentDuration="{_time(longest)}"'
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines += [f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="{profiles}" type="static" {times}>']
    lines += [f"  <BaseURL>{folder}/</BaseURL>", '  <Period id="1" start="PT0S">']
    lines += [f"    {line}" for line in _pictures(title)]
    for number in range(len(title.sounds)):
        lines += [f"    {line}" for line in _sound(title, number)]
    lines += [f"    {line}" for line in _thumbnails(title)]
    return "\n".join([*lines, "  </Period>", "</MPD>", ""])


def _pictures(title: Title) -> list[str]:
    largest, first = title.pictures[0]
    rate = title.plan.cut.rate
    size = f'maxWidth="{largest.width}" maxHeight="{largest.height}" frameRate="{rate}"'
    kind = 'id="1" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1"'
    lines = [f"<AdaptationSet {kind} {size}>", *_times(first)]
    for rung, track in title.pictures:
        what = f'id="{track.name}" codecs="{track.init.codec}" bandwidth="{track.peak}"'
        lines.append(f'  <Representation {what} width="{rung.width}" height="{rung.height}" sar="1:1"/>')
    return [*lines, "</AdaptationSet>"]


def _sound(title: Title, number: int) -> list[str]:
    sound, track = title.sounds[number]
    kind = f'id="{10 + number}" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1"'
    lines = [f"<AdaptationSet {kind} lang={quoteattr(sound.language)}>"]
    lines += [f'  <Role schemeIdUri="urn:mpeg:dash:role:2011" value="{"alternate" if number else "main"}"/>']
    lines += [f"  <Label>{_name(title, number).replace('&', '&amp;').replace('<', '&lt;')}</Label>", *_times(track)]
    lines += [
        f'  <Representation id="{track.name}" codecs="{track.init.codec}" bandwidth="{track.peak}"'
        ' audioSamplingRate="48000">',
        '    <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>',
        "  </Representation>",
    ]
    return [*lines, "</AdaptationSet>"]


def _times(track: Track) -> list[str]:
    names = 'initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/seg-$Number$.m4s" startNumber="1"'
    lines = [f'  <SegmentTemplate timescale="{track.init.timescale}" {names}>', "    <SegmentTimeline>"]
    begin = f' t="{track.segments[0].start}"'
    for duration, run in groupby(track.segments, key=_duration):
        again = len(list(run)) - 1
        lines.append(f'      <S{begin} d="{duration}"{_repeated(again)}/>')
        begin = ""
    return [*lines, "    </SegmentTimeline>", "  </SegmentTemplate>"]


def _duration(segment: Segment) -> int:
    return segment.duration


def _repeated(again: int) -> str:
    return f' r="{again}"' if again else ""


def _thumbnails(title: Title) -> list[str]:
    """The sheets of small pictures, as DASH-IF's guidelines have them (IOP 4.3, 6.2.6)."""
    sheet, rate = title.plan.sheet, title.plan.cut.rate
    apart = Fraction(sheet.pictures(rate)) / rate
    each = apart * sheet.on_each
    size = f'width="{sheet.width * sheet.columns}" height="{sheet.height * sheet.rows}"'
    # About what a sheet has: nobody chooses by it.
    bandwidth = max(1, round(100_000 * 8 / each))
    return [
        '<AdaptationSet id="2" contentType="image" mimeType="image/jpeg">',
        f'  <SegmentTemplate timescale="{each.denominator}" duration="{each.numerator}"'
        ' media="thumbs/$Number$.jpg" startNumber="1"/>',
        f'  <Representation id="thumbs" bandwidth="{bandwidth}" {size}>',
        f'    <EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="{sheet.columns}x{sheet.rows}"/>',
        "  </Representation>",
        "</AdaptationSet>",
    ]


def _time(seconds: Fraction) -> str:
    return f"PT{float(seconds):.3f}S"
