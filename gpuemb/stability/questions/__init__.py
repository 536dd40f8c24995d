"""What a study is asked: a file or folder a question, ``answer(result) -> Answer``."""
