//! Makes short titles, one packaging a folder.

use std::ops::Range;

use tempfile::TempDir;

use crate::process::programs::ffmpeg;

/// Length in seconds, and frames a second.
pub(crate) const LENGTH: usize = 6;
const RATE: usize = 25;

/// Pictures in a title.
pub(crate) const PICTURES: usize = LENGTH * RATE;

/// Moving pictures and a tone, in groups of two seconds.
const SOURCE: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=6 -f lavfi -i sine=frequency=440:duration=6 \
    -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0 -c:a aac -b:a 48k";

/// An empty folder.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A folder with what ffmpeg makes of the source by these arguments.
pub(crate) fn packaged(args: &str) -> TempDir {
    let folder = folder();
    package_into(&folder, args);
    folder
}

pub(crate) fn package_into(folder: &TempDir, args: &str) {
    let words = SOURCE.split_ascii_whitespace();
    let args: Vec<_> = words.chain(args.split_ascii_whitespace()).collect();
    ffmpeg(folder.path(), &args);
}

/// DASH on demand: a file a track, each with an index of itself, and an MPD that says where.
pub(crate) fn indexed() -> TempDir {
    let flags = "-movflags +dash+empty_moov+global_sidx";
    let folder = packaged(&format!(
        "-map 0:v -f mp4 {flags}+frag_keyframe video.mp4 -map 1:a -f mp4 -frag_duration 2000000 {flags} audio.mp4"
    ));
    let base = |file: &str| {
        let index = sidx(&std::fs::read(folder.path().join(file)).unwrap());
        format!(
            "<BaseURL>{file}</BaseURL><SegmentBase indexRange=\"{}-{}\"><Initialization range=\"0-{}\"/></SegmentBase>",
            index.start,
            index.end - 1,
            index.start - 1
        )
    };
    let (video, audio) = (base("video.mp4"), base("audio.mp4"));
    let mpd = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static"
     mediaPresentationDuration="PT{LENGTH}S" minBufferTime="PT2S">
  <Period>
    <AdaptationSet mimeType="video/mp4" subsegmentAlignment="true" subsegmentStartsWithSAP="1">
      <Representation id="v" codecs="avc1.42c00c" bandwidth="700000" width="320" height="180">{video}</Representation>
    </AdaptationSet>
    <AdaptationSet mimeType="audio/mp4" subsegmentAlignment="true" subsegmentStartsWithSAP="1">
      <Representation id="a" codecs="mp4a.40.2" bandwidth="50000" audioSamplingRate="44100">{audio}</Representation>
    </AdaptationSet>
  </Period>
</MPD>
"#
    );
    std::fs::write(folder.path().join("manifest.mpd"), mpd).unwrap();
    folder
}

/// Where the segment index of an MP4 file is (ISO/IEC 14496-12 §8.16.3).
pub(crate) fn sidx(file: &[u8]) -> Range<usize> {
    let mut at = 0;
    while let Some(head) = file.get(at..at + 8) {
        let size = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        if &head[4..] == b"sidx" {
            return at..at + size;
        }
        at += size.max(8);
    }
    panic!("the file has no index");
}
