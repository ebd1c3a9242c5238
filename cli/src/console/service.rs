//! The service that consoles call.

use super::observer::Observer;
use console_api::instrument::instrument_server::{Instrument, InstrumentServer};
use console_api::instrument::{
    InstrumentRequest, PauseRequest, PauseResponse, ResumeRequest, ResumeResponse, State,
    StateRequest, TaskDetailsRequest, Temporality, Update,
};
use console_api::tasks::TaskDetails;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_stream::wrappers::{BroadcastStream, WatchStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

pub(super) struct Service {
    observer: Arc<Observer>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    pub(super) fn new(observer: Arc<Observer>) -> Self {
        Service { observer }
    }

    pub(super) fn into_server(self) -> InstrumentServer<Self> {
        InstrumentServer::new(self)
    }
}

#[tonic::async_trait]
impl Instrument for Service {
    type WatchUpdatesStream = Answers<Update>;
    type WatchTaskDetailsStream = Answers<TaskDetails>;
    type WatchStateStream = Answers<State>;

    async fn watch_updates(
        &self,
        _request: Request<InstrumentRequest>,
    ) -> Result<Response<Self::WatchUpdatesStream>, Status> {
        let (all, updates) = self.observer.subscribe();
        let updates = BroadcastStream::new(updates);
        let updates = updates.map(|update| {
            // It would miss tasks that are new; when it connects again it gets them all.
            update.map_err(|_behind| Status::data_loss("the console does not read fast enough"))
        });
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(all)).chain(updates))))
    }

    /// Details are histograms, of which there are none.
    async fn watch_task_details(
        &self,
        request: Request<TaskDetailsRequest>,
    ) -> Result<Response<Self::WatchTaskDetailsStream>, Status> {
        let details = TaskDetails {
            task_id: request.into_inner().id,
            now: Some(SystemTime::now().into()),
            ..TaskDetails::default()
        };
        let first = tokio_stream::once(Ok(details));
        Ok(Response::new(Box::pin(first.chain(tokio_stream::pending()))))
    }

    async fn watch_state(
        &self,
        _request: Request<StateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let states = WatchStream::new(self.observer.paused()).map(|is_paused| {
            let temporality = if is_paused { Temporality::Paused } else { Temporality::Live };
            Ok(State { temporality: temporality.into() })
        });
        Ok(Response::new(Box::pin(states)))
    }

    async fn pause(
        &self,
        _request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        self.observer.pause(true);
        Ok(Response::new(PauseResponse::default()))
    }

    async fn resume(
        &self,
        _request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        self.observer.pause(false);
        Ok(Response::new(ResumeResponse::default()))
    }
}
