#!/usr/bin/env python3
"""Draws, sounds and describes caudal's sample title. make-title.sh calls this.

    make-title.py frames                     raw rgb24 frames, 1280x720, to stdout
    make-title.py still SECONDS FILE         one of those frames as a 960x540 image
    make-title.py label TEXT WIDTH HEIGHT FILE
                                             a see-through PNG naming a rendition
    make-title.py sound FILE                 the sound as a WAV file
    make-title.py manifests DIR              reads the segments below DIR and
                                             writes master.m3u8, the media
                                             playlists and manifest.mpd

Everything is a function of the frame number: no randomness, so two runs on the
same machine draw the same pictures.
"""

import math
import multiprocessing
import pathlib
import struct
import subprocess
import sys
import wave

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 1280, 720
FPS = 25
SECONDS = 30
FRAMES = FPS * SECONDS

SAMPLE_RATE = 48_000
# The AAC encoder starts with one frame of priming (1024 samples) and the files
# carry no edit list that would hide it, so the sound leaves out its own first
# 1024 samples: ticks and pictures then meet to the sample.
AAC_PRIMING = 1024

# The dial.
CX, CY, RADIUS = 640, 292, 188

# Night water, from the sky down to the river bed.
SKY = (6, 17, 33)
DEEP = (9, 52, 84)
AQUA = np.array((94, 214, 244), np.float32)
FOAM = np.array((214, 244, 255), np.float32)


# --- Drawing ---------------------------------------------------------------


def font(weight, size):
    """The nearest installed font; Inter (Debian: fonts-inter) if there is one."""
    found = subprocess.run(
        ["fc-match", "-f", "%{file}", f"Inter:{weight}"],
        check=True, capture_output=True, text=True,
    ).stdout
    return ImageFont.truetype(found, size)


def over(canvas, colour, alpha, x=0, y=0):
    """Lays `colour` over a part of the canvas, as strongly as `alpha` says."""
    h, w = alpha.shape
    part = canvas[y:y + h, x:x + w]
    part += (np.asarray(colour, np.float32) - part) * alpha[..., None]


def text_mask(text, face, pad=4):
    """`text` as an alpha array, with the font's whole line height."""
    up, down = face.getmetrics()
    img = Image.new("L", (math.ceil(face.getlength(text)) + 2 * pad, up + down))
    ImageDraw.Draw(img).text((pad, 0), text, 255, font=face)
    return np.asarray(img, np.float32) / 255


def put_text(canvas, text, face, x, y, colour, strength=1.0, anchor="left"):
    mask = text_mask(text, face)
    if anchor == "middle":
        x -= mask.shape[1] // 2
        y -= mask.shape[0] // 2
    over(canvas, colour, mask * strength, x, y)


class Scene:
    """What stays the same in every frame, drawn once."""

    def __init__(self):
        self.x = np.arange(WIDTH, dtype=np.float32)
        self.digits = {c: text_mask(c, font("light", 112)) for c in "0123456789."}
        self.cell = max(self.digits[c].shape[1] for c in "0123456789") - 11
        self.dial_maps()
        self.still = self.draw_still()

    def dial_maps(self):
        """Distance from the dial's centre and angle from 12 o'clock, clockwise."""
        self.box = RADIUS + 34
        d = np.arange(-self.box, self.box + 1, dtype=np.float32)
        dx, dy = np.meshgrid(d, d)
        self.dx, self.dy = dx, dy
        self.dist = np.hypot(dx, dy)
        self.turn = (np.arctan2(dx, -dy) / (2 * math.pi)) % 1.0
        # How much of each pixel the ring covers (6 px wide, soft edges).
        self.ring = np.clip(3.5 - np.abs(self.dist - RADIUS), 0, 1)
        self.glow = np.exp(-((self.dist - RADIUS) / 9.0) ** 2)

    def draw_still(self):
        down = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None] ** 1.25
        canvas = np.array(SKY, np.float32) * (1 - down) + np.array(DEEP, np.float32) * down
        canvas = np.repeat(canvas, WIDTH, axis=1)

        # A soft light behind the dial.
        yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        light = np.exp(-(((xx - CX) / 470) ** 2 + ((yy - CY) / 330) ** 2))
        over(canvas, (20, 96, 140), light * 0.55)

        # The dial's face: a darker disc, so that the counter stands out.
        x0, y0 = CX - self.box, CY - self.box
        over(canvas, (5, 22, 42), np.clip(RADIUS + 0.5 - self.dist, 0, 1) * 0.62, x0, y0)
        over(canvas, (150, 205, 230), self.ring * 0.20, x0, y0)

        # Thirty marks, every fifth one longer and numbered. Drawn four times
        # too large and shrunk, which smooths their edges.
        big = 4
        side = 2 * self.box + 1
        img = Image.new("L", (side * big, side * big))
        pen = ImageDraw.Draw(img)
        for n in range(30):
            a = 2 * math.pi * n / 30
            far, near = RADIUS - 13, RADIUS - (29 if n % 5 == 0 else 21)
            width, tone = (3, 235) if n % 5 == 0 else (2, 120)
            ends = [((self.box + 0.5 + r * math.sin(a)) * big,
                     (self.box + 0.5 - r * math.cos(a)) * big) for r in (near, far)]
            pen.line(ends, fill=tone, width=width * big)
        marks = np.asarray(img.resize((side, side), Image.LANCZOS), np.float32) / 255
        over(canvas, (200, 232, 246), marks * 0.8, x0, y0)
        face = font("medium", 19)
        for n in range(5, 31, 5):
            a = 2 * math.pi * n / 30
            put_text(canvas, str(n), face, round(CX + (RADIUS - 48) * math.sin(a)),
                     round(CY - (RADIUS - 48) * math.cos(a)), (178, 216, 236), 0.85, "middle")
        put_text(canvas, "of 30 seconds", font("regular", 20), CX, CY + 64,
                 (158, 200, 224), 0.95, "middle")

        # The name, with three strokes of water before it.
        img = Image.new("L", (44 * big, 34 * big))
        pen = ImageDraw.Draw(img)
        for row, tone in enumerate((255, 190, 125)):
            pts = [(x * big, (7 + row * 9.5 + 3 * math.sin(x / 34 * 2 * math.pi + 0.5)) * big)
                   for x in np.arange(3, 38, 0.25)]
            for px, py in pts:
                pen.ellipse((px - 1.6 * big, py - 1.6 * big, px + 1.6 * big, py + 1.6 * big),
                            fill=tone)
        over(canvas, AQUA, np.asarray(img.resize((44, 34), Image.LANCZOS), np.float32) / 255, 54, 47)
        put_text(canvas, "caudal", font("semibold", 36), 102, 40, (236, 248, 255))
        put_text(canvas, "sample title", font("regular", 19), 102, 85, (150, 192, 216))
        return canvas

    # --- What moves ---

    def streams(self, canvas, t):
        """Thin lines of current that pass behind the dial."""
        u = self.x / WIDTH
        for n in range(9):
            s = n / 8
            y = (CY + 14 + (s - 0.5) * (150 + 190 * np.abs(u - 0.5) * 2)
                 + 20 * np.sin(2 * math.pi * (1.15 * u - t / 7.5) + 1.1 * s * 4)
                 + 9 * np.sin(2 * math.pi * (2.3 * u - t / 5.0) + 2.0 * s))
            # Light that travels along the line, and ends that fade out.
            shine = 0.14 + 0.26 * (0.5 + 0.5 * np.sin(2 * math.pi * (1.4 * u - t / 5.0 + 0.37 * n))) ** 3
            self.line(canvas, y, AQUA, shine * np.sin(math.pi * u) ** 0.5, 0.9)

    def line(self, canvas, y, colour, alpha, half_width):
        """A line y(x) with smooth edges: only the few pixels around it are touched."""
        slope = np.gradient(y)
        rows = np.floor(y).astype(int)[None, :] + np.arange(-3, 5)[:, None]
        away = np.abs(rows - y[None, :]) / np.sqrt(1 + slope ** 2)[None, :]
        cover = np.clip(half_width + 0.5 - away, 0, 1) * alpha[None, :]
        ok = (rows >= 0) & (rows < HEIGHT)
        rows = np.clip(rows, 0, HEIGHT - 1)
        cols = np.broadcast_to(np.arange(WIDTH), rows.shape)
        cover = np.where(ok, cover, 0)[..., None]
        part = canvas[rows, cols]
        canvas[rows, cols] = part + (colour - part) * cover

    def waves(self, canvas, t):
        """The river: five layers of water, the nearest the darkest and fastest."""
        layers = (
            # crest, height, waves across, seconds per pass, phase, colour, strength, foam
            (498, 15, 1.25, 15.0, 0.0, (24, 118, 160), 0.40, 0.55),
            (536, 17, 1.05, 10.0, 1.9, (20, 104, 148), 0.48, 0.50),
            (578, 19, 0.90, 7.5, 3.6, (15, 84, 126), 0.58, 0.48),
            (622, 20, 0.75, 6.0, 5.2, (11, 64, 102), 0.68, 0.44),
            (668, 19, 0.62, 5.0, 0.8, (7, 44, 76), 0.80, 0.42),
        )
        u = self.x / WIDTH
        for crest, height, count, period, phase, colour, strength, foam in layers:
            y = (crest
                 + height * np.sin(2 * math.pi * (count * u - t / period) + phase)
                 + 0.38 * height * np.sin(2 * math.pi * (2.4 * count * u - t / (0.75 * period)) + 2 * phase))
            top = max(0, int(y.min()) - 2)
            rows = np.arange(top, HEIGHT, dtype=np.float32)[:, None]
            depth = rows - y[None, :]
            # Strongest at the crest, thinner with depth.
            alpha = np.clip(depth + 0.5, 0, 1) * strength * (0.55 + 0.45 * np.exp(-np.maximum(depth, 0) / 46))
            over(canvas, colour, alpha, 0, top)
            glint = 0.25 + 0.75 * (0.5 + 0.5 * np.sin(2 * math.pi * (0.8 * u - t / 6.0) + phase)) ** 2
            self.line(canvas, y.astype(np.float32), FOAM * 0.55 + AQUA * 0.45, foam * glint, 1.0)

    def dial(self, canvas, t):
        x0, y0 = CX - self.box, CY - self.box
        part = min(t / SECONDS, 1.0)

        # The part of the ring that has passed, brightest just behind the hand.
        behind = (part - self.turn) * 2 * math.pi * RADIUS
        passed = np.clip(behind + 0.5, 0, 1)
        if part > 0.999:
            passed = np.ones_like(passed)
        recent = np.exp(-np.maximum(behind, 0) / 210)
        over(canvas, AQUA, self.glow * passed * (0.10 + 0.30 * recent), x0, y0)
        over(canvas, AQUA, self.ring * passed * (0.62 + 0.38 * recent), x0, y0)

        # The hand: from inside the marks to just outside the ring.
        a = 2 * math.pi * part
        sx, sy = math.sin(a), -math.cos(a)
        along = self.dx * sx + self.dy * sy
        near, far = RADIUS - 30, RADIUS + 10
        off = np.hypot(self.dx - np.clip(along, near, far) * sx,
                       self.dy - np.clip(along, near, far) * sy)
        over(canvas, AQUA, np.exp(-(off / 8) ** 2) * 0.5, x0, y0)
        over(canvas, (255, 255, 255), np.clip(2.8 - off, 0, 1), x0, y0)

        # A drop that circles the dial once a second and meets 12 o'clock on the tick.
        a = 2 * math.pi * (t % 1.0)
        r = RADIUS + 23
        behind = ((t - self.turn) % 1.0) * 2 * math.pi
        tail = np.clip(1.7 - np.abs(self.dist - r), 0, 1) * np.exp(-behind / 0.7)
        over(canvas, AQUA, tail * 0.75, x0, y0)
        drop = np.hypot(self.dx - r * math.sin(a), self.dy + r * math.cos(a))
        over(canvas, FOAM, np.clip(5.0 - drop, 0, 1), x0, y0)

    def counter(self, canvas, frame):
        """Seconds and tenths. Every digit has a cell of one width: nothing jumps."""
        # Whole tenths from whole frames: 25 frames make exactly 10 tenths.
        tenths = frame * 10 // FPS
        text = f"{tenths // 10:02d}.{tenths % 10}"
        dot = self.digits["."].shape[1] - 14
        x = CX - (3 * self.cell + dot) // 2
        for c in text:
            mask = self.digits[c]
            cell = dot if c == "." else self.cell
            over(canvas, (244, 251, 255), mask, x + (cell - mask.shape[1]) // 2,
                 CY - 6 - mask.shape[0] // 2)
            x += cell

    def frame(self, n):
        t = n / FPS
        canvas = self.still.copy()
        self.streams_behind_dial(canvas, t)
        self.waves(canvas, t)
        self.dial(canvas, t)
        self.counter(canvas, n)
        return np.clip(canvas + 0.5, 0, 255).astype(np.uint8)

    def streams_behind_dial(self, canvas, t):
        """The streams, with the disc of the dial laid back over them."""
        x0, y0 = CX - self.box, CY - self.box
        side = 2 * self.box + 1
        disc = np.clip(RADIUS + 0.5 - self.dist, 0, 1)[..., None]
        before = canvas[y0:y0 + side, x0:x0 + side].copy()
        self.streams(canvas, t)
        part = canvas[y0:y0 + side, x0:x0 + side]
        part += (before - part) * disc


SCENE = None


def draw(n):
    global SCENE
    if SCENE is None:
        SCENE = Scene()
    return SCENE.frame(n).tobytes()


def frames():
    with multiprocessing.Pool(min(4, multiprocessing.cpu_count())) as pool:
        for data in pool.imap(draw, range(FRAMES), chunksize=5):
            sys.stdout.buffer.write(data)


def still(seconds, path):
    n = round(float(seconds) * FPS)
    img = Image.frombytes("RGB", (WIDTH, HEIGHT), draw(n))
    img.resize((960, 540), Image.LANCZOS).save(path, quality=82, optimize=True, progressive=True)


def label(text, width, height, path):
    """The rendition's name in the upper right corner, at that rendition's size."""
    width, height = int(width), int(height)
    big = 4
    scale = height / HEIGHT
    # Small renditions get a relatively larger label, so that it can be read.
    size = max(38 * scale, 17)
    img = Image.new("RGBA", (width * big, height * big))
    pen = ImageDraw.Draw(img)
    face = font("semibold", round(size * big))
    w = face.getlength(text)
    right, top = (width - 56 * scale) * big, 40 * scale * big
    pad_x, tall = 0.62 * size * big, 1.62 * size * big
    box = (right - w - 2 * pad_x, top, right, top + tall)
    pen.rounded_rectangle(box, radius=tall / 2, fill=(94, 214, 244, 38),
                          outline=(94, 214, 244, 210), width=max(1, round(2 * scale * big)))
    pen.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), text, (236, 248, 255, 255),
             font=face, anchor="mm")
    img.resize((width, height), Image.LANCZOS).save(path)


# --- Sound -----------------------------------------------------------------


def sound(path):
    """A quiet open chord that breathes, and a soft tick on every second."""
    count = SAMPLE_RATE * SECONDS
    t = np.arange(count) / SAMPLE_RATE
    left, right = np.zeros(count), np.zeros(count)
    # D, A, D, E, A: no third, so it is neither sad nor glad.
    for n, (hertz, level) in enumerate(((73.42, 1.0), (110.0, 0.8), (146.83, 0.6),
                                        (164.81, 0.42), (220.0, 0.34), (329.63, 0.14))):
        swell = 0.72 + 0.28 * np.sin(2 * np.pi * t / (6.0 + 1.3 * n) + n)
        left += level * swell * np.sin(2 * np.pi * (hertz * 0.9992) * t + n)
        right += level * swell * np.sin(2 * np.pi * (hertz * 1.0008) * t + 1.7 * n)
    fade = np.clip(np.minimum(t / 2.0, (SECONDS - t) / 2.5), 0, 1)
    left, right = left * fade * 0.055, right * fade * 0.055
    for second in range(SECONDS):
        tenth_one = second % 10 == 0
        at = second * SAMPLE_RATE
        k = np.arange(int(0.22 * SAMPLE_RATE)) / SAMPLE_RATE
        hertz = 1318.5 if tenth_one else 987.8
        tick = np.sin(2 * np.pi * hertz * k) * np.exp(-k / (0.05 if tenth_one else 0.022))
        tick *= np.clip(k / 0.002, 0, 1) * 0.16
        left[at:at + len(k)] += tick
        right[at:at + len(k)] += tick
    both = np.stack((left, right), axis=1)[AAC_PRIMING:]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((np.clip(both, -1, 1) * 32767).astype("<i2").tobytes())


# --- Manifests -------------------------------------------------------------
#
# Written from the segments themselves rather than by ffmpeg's muxers: durations
# come from their sample tables and bandwidths from their sizes, so that both
# manifests state exactly what a player will download.


def boxes(data, start=0, end=None):
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            raise SystemExit(f"a box of {size} bytes cannot be read")
        yield kind.decode("latin-1"), start + 8, start + size
        start += size


def find(data, path, start=0, end=None):
    """Where the body of the first box at `path` ("moov/trak/mdia") begins and ends."""
    for name in path.split("/"):
        for kind, a, b in boxes(data, start, end):
            if kind == name:
                start, end = a, b
                break
        else:
            raise SystemExit(f"no {path} box")
    return start, end


def read_init(path):
    """The timescale and the RFC 6381 codec string of an initialization segment."""
    data = path.read_bytes()
    a, _ = find(data, "moov/trak/mdia/mdhd")
    timescale = struct.unpack_from(">I", data, a + (20 if data[a] == 1 else 12))[0]
    a, b = find(data, "moov/trak/mdia/minf/stbl/stsd")
    sample_entry, ea, eb = next(boxes(data, a + 8, b))
    if sample_entry == "avc1":
        # A visual sample entry has 78 bytes before its boxes.
        ca, _ = find(data, "avcC", ea + 78, eb)
        return timescale, "avc1." + data[ca + 1:ca + 4].hex().upper()
    if sample_entry == "mp4a":
        return timescale, "mp4a.40.2"
    raise SystemExit(f"{path}: cannot name the codec {sample_entry}")


def read_segment(path):
    """The decode time and the duration of a segment, in its timescale."""
    data = path.read_bytes()
    first, total = None, 0
    for kind, a, b in boxes(data):
        if kind != "moof":
            continue
        ta, tb = find(data, "traf", a, b)
        default = 0
        for name, ca, _ in boxes(data, ta, tb):
            flags = struct.unpack_from(">I", data, ca)[0] & 0xFFFFFF
            if name == "tfhd":
                at = ca + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
                default = struct.unpack_from(">I", data, at)[0] if flags & 8 else 0
            elif name == "tfdt":
                when = struct.unpack_from(">Q" if data[ca] == 1 else ">I", data, ca + 4)[0]
                first = when if first is None else first
            elif name == "trun":
                count = struct.unpack_from(">I", data, ca + 4)[0]
                at = ca + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
                step = 4 * sum(bool(flags & f) for f in (0x100, 0x200, 0x400, 0x800))
                if flags & 0x100:
                    total += sum(struct.unpack_from(">I", data, at + n * step)[0] for n in range(count))
                else:
                    total += default * count
    return first, total


def settle(files):
    """Makes the first picture's time exactly 0, and names the segments CMAF.

    ffmpeg moves all decode times up until the first is 0, which leaves the
    first picture one frame late when there are B frames. Composition offsets
    may be negative in CMAF: taking that frame off every one of them puts the
    pictures where they belong. A second call changes nothing.
    """
    late = None
    for path in files:
        data = bytearray(path.read_bytes())
        for kind, a, b in list(boxes(data)):
            if kind == "styp":
                # There is no segment index (msix), and this is a CMAF segment (cmfs).
                data[a:b] = data[a:b].replace(b"msix", b"cmfs")
            if kind != "moof":
                continue
            ta, tb = find(data, "traf", a, b)
            ca, _ = find(data, "trun", ta, tb)
            flags = struct.unpack_from(">I", data, ca)[0] & 0xFFFFFF
            if not flags & 0x800:
                continue
            count = struct.unpack_from(">I", data, ca + 4)[0]
            step = 4 * sum(bool(flags & f) for f in (0x100, 0x200, 0x400, 0x800))
            at = ca + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0) + step - 4
            if late is None:
                late = struct.unpack_from(">i", data, at)[0]
            for n in range(count):
                offset = struct.unpack_from(">i", data, at + n * step)[0]
                struct.pack_into(">i", data, at + n * step, offset - late)
            data[ca] = 1  # the version whose offsets are signed
        path.write_bytes(data)


class Track:
    def __init__(self, folder, width=None, height=None):
        self.name = folder.name
        self.width, self.height = width, height
        self.timescale, self.codec = read_init(folder / "init.mp4")
        files = sorted(folder.glob("seg-*.m4s"), key=lambda p: int(p.stem[4:]))
        self.files = [p.name for p in files]
        settle(files)
        read = [read_segment(p) for p in files]
        self.start = read[0][0]
        self.ticks = [d for _, d in read]
        sizes = [p.stat().st_size for p in files]
        seconds = [d / self.timescale for d in self.ticks]
        # RFC 8216, section 4.1: the peak is taken over segments of at least half
        # the target duration. (A longer run of them cannot exceed its highest.)
        self.target = round(max(seconds))
        long_enough = [8 * n / s for n, s in zip(sizes, seconds) if round(s, 1) >= 0.5 * self.target]
        self.peak = math.ceil(max(long_enough))
        self.average = math.ceil(8 * sum(sizes) / sum(seconds))
        self.seconds = seconds

        when = self.start
        for (first, ticks), file in zip(read, self.files):
            if first != when:
                raise SystemExit(f"{self.name}/{file} starts at {first}, not at {when}")
            when += ticks

    def playlist(self):
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{self.target}",
                 "#EXT-X-MEDIA-SEQUENCE:1", "#EXT-X-PLAYLIST-TYPE:VOD",
                 "#EXT-X-INDEPENDENT-SEGMENTS", '#EXT-X-MAP:URI="init.mp4"']
        for seconds, file in zip(self.seconds, self.files):
            lines += [f"#EXTINF:{seconds:.5f},", file]
        return "\n".join(lines + ["#EXT-X-ENDLIST", ""])

    def timeline(self, indent):
        out, n = [], 0
        while n < len(self.ticks):
            run = 1
            while n + run < len(self.ticks) and self.ticks[n + run] == self.ticks[n]:
                run += 1
            t = f' t="{self.start}"' if n == 0 else ""
            r = f' r="{run - 1}"' if run > 1 else ""
            out.append(f'{indent}<S{t} d="{self.ticks[n]}"{r}/>')
            n += run
        return "\n".join(out)


def master(videos, audio):
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS", "",
             '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",LANGUAGE="zxx",'
             f'DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="{audio.name}/index.m3u8"', ""]
    for v in videos:
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={v.peak + audio.peak},"
                  f"AVERAGE-BANDWIDTH={v.average + audio.average},"
                  f'CODECS="{v.codec},{audio.codec}",RESOLUTION={v.width}x{v.height},'
                  f'FRAME-RATE={FPS}.000,AUDIO="audio",CLOSED-CAPTIONS=NONE',
                  f"{v.name}/index.m3u8"]
    return "\n".join(lines + [""])


def mpd(videos, audio):
    same = all(v.ticks == videos[0].ticks and v.timescale == videos[0].timescale
               and v.start == videos[0].start for v in videos)
    if not same:
        raise SystemExit("the video renditions are not cut at the same places")
    longest = max(max(track.seconds) for track in (*videos, audio))

    def template(track):
        return f'''      <SegmentTemplate timescale="{track.timescale}" initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/seg-$Number$.m4s" startNumber="1">
        <SegmentTimeline>
{track.timeline("          ")}
        </SegmentTimeline>
      </SegmentTemplate>'''

    shown = "\n".join(
        f'      <Representation id="{v.name}" codecs="{v.codec}" bandwidth="{v.peak}" '
        f'width="{v.width}" height="{v.height}"/>' for v in videos)
    return f'''<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" mediaPresentationDuration="PT{SECONDS}S" minBufferTime="PT4S" maxSegmentDuration="PT{math.ceil(longest * 1000) / 1000}S">
  <ProgramInformation>
    <Title>caudal sample title</Title>
  </ProgramInformation>
  <Period id="1" start="PT0S">
    <AdaptationSet id="1" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1" frameRate="{FPS}" par="16:9" maxWidth="{max(v.width for v in videos)}" maxHeight="{max(v.height for v in videos)}">
{template(videos[0])}
{shown}
    </AdaptationSet>
    <AdaptationSet id="2" contentType="audio" mimeType="audio/mp4" lang="zxx" segmentAlignment="true" startWithSAP="1">
{template(audio)}
      <Representation id="{audio.name}" codecs="{audio.codec}" bandwidth="{audio.peak}" audioSamplingRate="{SAMPLE_RATE}">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
'''


def manifests(folder):
    folder = pathlib.Path(folder)
    # The second rendition comes first in HLS: a player that starts with the
    # first variant it reads starts soon, and still with a good picture.
    videos = [Track(folder / "v720", 1280, 720), Track(folder / "v480", 854, 480),
              Track(folder / "v240", 426, 240)]
    audio = Track(folder / "audio")
    (folder / "master.m3u8").write_text(master([videos[1], videos[0], videos[2]], audio))
    for track in (*videos, audio):
        (folder / track.name / "index.m3u8").write_text(track.playlist())
        print(f"{track.name:6} {len(track.files)} segments  {track.codec:12} "
              f"peak {track.peak / 1000:6.1f} kb/s  average {track.average / 1000:6.1f} kb/s")
    (folder / "manifest.mpd").write_text(mpd(videos, audio))


COMMANDS = {"frames": frames, "still": still, "label": label, "sound": sound, "manifests": manifests}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        raise SystemExit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
