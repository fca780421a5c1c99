//! The cluster and the stores that all tests share.

use std::sync::OnceLock;

use kees_tests::{Cluster, DynamoDbLocal, Moto};

/// What runs while the tests run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) dynamodb: DynamoDbLocal,
    pub(crate) moto: Moto,
}

impl World {
    /// Started by the first test that asks for it.
    pub(crate) fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::start().unwrap())
    }

    fn start() -> anyhow::Result<Self> {
        let (dynamodb, moto) = (DynamoDbLocal::start()?, Moto::start()?);
        dynamodb.create_table("test")?;
        Ok(Self {
            cluster: Cluster::up()?,
            dynamodb,
            moto,
        })
    }
}
