"""`python -m jdnet_jax.main` whose files may grow to 200 kB only: the kernel refuses more, as a full disk does.

python -m tests.full_disk --config=configs/demo.py ...
"""

import resource
import signal

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    from jdnet_jax import main

    main.run()
