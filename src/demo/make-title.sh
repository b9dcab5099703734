#!/bin/sh
# Makes caudal's sample title again: the files in title/, which are committed
# and carried inside the binary. Nothing here runs when caudal is built.
#
#   sh src/demo/make-title.sh [FOLDER]      (default: title/ next to this script)
#
# Needs:
#   ffmpeg and ffprobe 5.1 or newer, with libx264
#   python3 with NumPy and Pillow    (Debian: python3-numpy python3-pil)
#   fc-match                         (Debian: fontconfig)
#   the font Inter                   (Debian: fonts-inter) for the same look;
#                                    without it, the nearest installed font
#
# What comes out: three H.264 renditions and one AAC track as CMAF segments of
# four seconds, one set of files named by an HLS multivariant playlist
# (master.m3u8) and by a DASH MPD (manifest.mpd), and poster.jpg.
# Takes three to five minutes on two cores.
set -eu

MAX_BYTES=3000000
FPS=25
GOP=$((2 * FPS))
SEGMENT=4
# The last half second stays on screen when the title has ended, but nothing
# after it refers to it, so x264 would save bits there. It gets twice its share.
LAST_FRAMES=737,749
PYTHON=${PYTHON:-python3}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-"$here/title"}

fail() {
    echo "make-title.sh: $*" >&2
    exit 1
}

for tool in ffmpeg ffprobe fc-match "$PYTHON"; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is needed and was not found"
done
ffmpeg -hide_banner -encoders 2>/dev/null | grep -q libx264 ||
    fail "this ffmpeg has no libx264 encoder"
"$PYTHON" -c 'import numpy, PIL' 2>/dev/null ||
    fail "$PYTHON has no NumPy or no Pillow (pip install numpy pillow)"
case $(fc-match -f '%{family}' Inter) in
    Inter*) ;;
    *) echo "make-title.sh: the font Inter is not installed; another one is used" >&2 ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
title="$tmp/title"
mkdir "$title"

draw() {
    "$PYTHON" "$here/make-title.py" "$@"
}

# "bitexact" leaves the encoder's version and settings out of the files; the
# number of threads is fixed because x264's decisions depend on it.
quiet="-hide_banner -loglevel error -nostdin -y"
exact="-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1"

# CMAF, with no edit lists: players need none to find the first picture at 0
# (make-title.py settles the composition offsets).
segments() {
    echo "-f hls -hls_time $SEGMENT -hls_playlist_type vod -hls_segment_type fmp4
          -start_number 1 -hls_fmp4_init_filename init.mp4
          -hls_segment_options movflags=+cmaf+skip_sidx:use_editlist=0
          -hls_segment_filename $title/$1/seg-%d.m4s $title/$1/index.m3u8"
}

echo "drawing"
# One lossless copy of the frames, so that they are drawn once only.
draw frames | ffmpeg $quiet -f rawvideo -pix_fmt rgb24 -s 1280x720 -framerate $FPS -i - \
    -c:v libx264rgb -preset ultrafast -qp 0 -threads 2 "$tmp/frames.mkv"
draw sound "$tmp/sound.wav"

# video NAME WIDTH HEIGHT KBPS PROFILE LEVEL
video() {
    echo "encoding $1"
    mkdir "$title/$1"
    draw label "$3p" "$2" "$3" "$tmp/$1.png"
    # Renditions change at segment borders, so every one has a closed group of
    # pictures at the same frames: no scene cuts, one IDR frame every two seconds.
    for pass in 1 2; do
        if [ $pass = 1 ]; then
            target="-an -f null -"
        else
            target=$(segments "$1")
        fi
        # $quiet, $exact and $target are lists of words on purpose.
        # shellcheck disable=SC2086
        ffmpeg $quiet -i "$tmp/frames.mkv" -i "$tmp/$1.png" -filter_complex \
            "[0:v]scale=$2:$3:flags=lanczos,format=rgb24[a];[a][1:v]overlay=format=rgb,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1[v]" \
            -map "[v]" $exact \
            -c:v libx264 -preset veryslow -profile:v "$5" -level:v "$6" -threads 2 \
            -b:v "$4k" -maxrate "$(($4 * 5 / 4))k" -bufsize "$(($4 * 2))k" \
            -pass $pass -passlogfile "$tmp/$1" \
            -g $GOP -keyint_min $GOP -sc_threshold 0 -bf 2 \
            -x264-params "open-gop=0:aq-mode=3:aq-strength=0.9:zones=$LAST_FRAMES,b=2" \
            -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv \
            $target
    done
}

video v720 1280 720 420 high 3.1
video v480 854 480 170 main 3.0
video v240 426 240 70 main 2.1

echo "encoding audio"
mkdir "$title/audio"
# shellcheck disable=SC2086,SC2046
ffmpeg $quiet -i "$tmp/sound.wav" $exact -c:a aac -b:a 64k -ar 48000 -ac 2 $(segments audio)

echo "writing the manifests"
draw manifests "$title"
draw still 7.4 "$title/poster.jpg"

# Nothing replaces the old title before the new one has proved itself.
for manifest in master.m3u8 manifest.mpd; do
    said=$(ffmpeg -v error -nostdin -i "$title/$manifest" -map 0 -f null - 2>&1) ||
        fail "$manifest does not decode: $said"
    [ -z "$said" ] || fail "$manifest decodes with complaints: $said"
done
bytes=$(find "$title" -type f -exec cat {} + | wc -c)
[ "$bytes" -le $MAX_BYTES ] || fail "the title has $bytes bytes, more than $MAX_BYTES"

mkdir -p "$out"
rm -rf "$out/v720" "$out/v480" "$out/v240" "$out/audio"
cp -R "$title/." "$out/"
find "$out" -type d -exec chmod 755 {} +
find "$out" -type f -exec chmod 644 {} +
echo "$out: $(find "$out" -type f | wc -l) files, $bytes bytes"
