"""moto's server, with one defect mended.

UpdateSecretVersionStage moves the stage AWSCURRENT, but a read that names no version still gets the version that had the
stage before. In Secrets Manager such a read gets the version with the stage.
"""

import sys

from moto.secretsmanager.models import SecretsManagerBackend
from moto.server import main

move = SecretsManagerBackend.update_secret_version_stage


def move_and_read(self, secret_id, version_stage, remove_from_version_id, move_to_version_id):
    answer = move(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
    if version_stage == "AWSCURRENT" and move_to_version_id:
        self.secrets[secret_id].set_default_version_id(move_to_version_id)
    return answer


SecretsManagerBackend.update_secret_version_stage = move_and_read
sys.exit(main())
