from tests.build import load_profile

load_profile()
