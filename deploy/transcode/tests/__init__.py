"""Run by deploy/check/transcode/run; or: python -m unittest discover -s deploy/transcode -t deploy/transcode."""
