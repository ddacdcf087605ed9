//! An executor that runs Rust closures in place of components.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::future::BoxFuture;
use stepwell_core::journal::StepError;
use stepwell_core::{Digest, Json, PluginName};
use stepwell_engine::executor::{Slot, Stopped};
use stepwell_engine::{Activation, Calls, Executor, Exit};

type Script = Arc<dyn Fn(Activation, Arc<dyn Calls>) -> BoxFuture<'static, Exit> + Send + Sync>;

/// Runs a closure for each workflow; a workflow without one traps.
#[derive(Clone, Default)]
pub struct ScriptedExecutor {
    scripts: Arc<Mutex<BTreeMap<String, Script>>>,
    vars: Arc<Mutex<BTreeMap<String, String>>>,
}

impl fmt::Debug for ScriptedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedExecutor").finish_non_exhaustive()
    }
}

/// What a scripted workflow answers: its output, its failure, or that it was stopped.
pub type Outcome = Result<Result<Json, StepError>, Stopped>;

impl ScriptedExecutor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what the workflow of this id does.
    #[must_use]
    pub fn on<F, T>(self, workflow: &str, script: F) -> Self
    where
        F: Fn(Activation, Arc<dyn Calls>) -> T + Send + Sync + 'static,
        T: Future<Output = Outcome> + Send + 'static,
    {
        self.on_exit(workflow, move |activation, calls| {
            let outcome = script(activation, calls);
            async move {
                match outcome.await {
                    Ok(result) => Exit::Returned(result),
                    Err(Stopped) => Exit::Stopped,
                }
            }
        })
    }

    /// The same, with how the execution ends in the script's own hands.
    #[must_use]
    pub fn on_exit<F, T>(self, workflow: &str, script: F) -> Self
    where
        F: Fn(Activation, Arc<dyn Calls>) -> T + Send + Sync + 'static,
        T: Future<Output = Exit> + Send + 'static,
    {
        let script: Script = Arc::new(move |activation, calls| Box::pin(script(activation, calls)));
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert(workflow.to_owned(), script);
        self
    }

    /// Sets a config value as an operator would.
    pub fn set_var(&self, name: &str, value: &str) {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.to_owned());
    }
}

#[async_trait]
impl Executor for ScriptedExecutor {
    async fn execute(&self, activation: Activation, calls: Arc<dyn Calls>) -> Exit {
        let scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match scripts.get(activation.workflow.as_str()) {
            Some(script) => script(activation, calls).await,
            None => Exit::Trapped { message: format!("no script for {}", activation.workflow) },
        }
    }

    fn var(&self, _: &PluginName, _: Digest, name: &str) -> Option<String> {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Runs a step whose body answers `outcome`, as an SDK does.
pub async fn step<F, T>(calls: &dyn Calls, name: &str, body: F) -> Result<Result<Json, StepError>, Stopped>
where
    F: FnOnce(u64) -> T + Send,
    T: Future<Output = Result<Json, StepError>> + Send,
{
    match calls.step(name.to_owned(), String::new()).await? {
        Slot::Done(output) => Ok(Ok(output)),
        Slot::Failed(error) => Ok(Err(error)),
        Slot::Execute(attempt) => {
            let outcome = body(attempt.token).await;
            let output = outcome.clone();
            match calls.finish(attempt.token, outcome).await? {
                Ok(()) => Ok(output),
                Err(error) => Ok(Err(error)),
            }
        }
    }
}
