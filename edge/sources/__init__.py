"""Where sound comes from: a microphone, an audio file, raw PCM from a pipe or a command."""
