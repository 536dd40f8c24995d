"""One study, one question: what would come out differently?"""
