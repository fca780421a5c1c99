//! The cluster with kees, and the stores. All tests share them.

use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::anyhow;
use kees_tests::{Authority, Cluster, DynamoDbLocal, EksWebhook, Moto, Namespace};

use crate::install;

/// The environment label of the table that all pods use.
pub(crate) const ENV_LABEL: &str = "test";

/// The AWS account of moto.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The cluster and the servers of the tests.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) dynamodb: DynamoDbLocal,
    pub(crate) moto: Moto,
    pub(crate) eks: EksWebhook,
}

impl World {
    /// The world, which other tests use at the same time. The first call starts it.
    pub(crate) fn shared() -> anyhow::Result<Shared> {
        Ok(Shared {
            world: started()?,
            _turn: TURNS.read().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The world while no other test uses it, for tests that count requests or stop the webhook.
    pub(crate) fn alone() -> anyhow::Result<Alone> {
        Ok(Alone {
            world: started()?,
            _turn: TURNS.write().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn start() -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let (dynamodb, moto) = (DynamoDbLocal::start()?, Moto::start(&authority)?);
        dynamodb.create_table(ENV_LABEL)?;
        let world = Self {
            cluster: Cluster::up()?,
            dynamodb,
            moto,
            eks: EksWebhook::start(&authority, ACCOUNT)?,
        };
        install::name_of_moto(&world)?;
        install::identity_webhook(&world)?;
        install::kees(&world, &authority)?;
        Ok(world)
    }

    /// A namespace whose pods get an AWS identity, as on EKS.
    pub(crate) fn namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        self.cluster
            .namespace(name, &[(install::IDENTITY_LABEL, name)])
    }

    /// Such a namespace in which the Pod Security Standard `restricted` is enforced.
    pub(crate) fn restricted_namespace(&self, name: &str) -> anyhow::Result<Namespace> {
        let labels = [
            (install::IDENTITY_LABEL, name),
            ("pod-security.kubernetes.io/enforce", "restricted"),
        ];
        self.cluster.namespace(name, &labels)
    }
}

static TURNS: RwLock<()> = RwLock::new(());

fn started() -> anyhow::Result<&'static World> {
    static WORLD: OnceLock<Result<World, String>> = OnceLock::new();
    let world = WORLD.get_or_init(|| World::start().map_err(|error| format!("{error:?}")));
    world.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// The world, shared with other tests.
pub(crate) struct Shared {
    world: &'static World,
    _turn: RwLockReadGuard<'static, ()>,
}

/// The world, for one test alone.
pub(crate) struct Alone {
    world: &'static World,
    _turn: RwLockWriteGuard<'static, ()>,
}

impl std::ops::Deref for Shared {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

impl std::ops::Deref for Alone {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}
