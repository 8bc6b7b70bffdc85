using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Events;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>
/// The writes of one operator process, with the product's own actor and ledger store. The simulation observes, decides when to evaluate,
/// and kills the process. It then creates another one on the same API server.
/// </summary>
internal sealed class OperatorProcess
{
    private readonly ClusterStores _stores;
    private readonly LedgerStore _store;
    private readonly Expectations _echoes;
    private readonly BudgetRecorder _recorder;
    private readonly BudgetActor _actor;

    /// <param name="client">Over a <see cref="SimulatedApi"/>, whose answers never wait.</param>
    /// <param name="stoppable">How many workloads the circuit breaker counts; null for none.</param>
    public OperatorProcess(KubeClient client, Func<int>? stoppable = null)
    {
        var time = client.TimeProvider;
        _stores = new(client, "bursar");
        _store = new(client, "bursar", time, NullLogger<LedgerStore>.Instance);
        Done(_store.LoadAsync(default));
        Control = new(new CircuitBreaker(stoppable ?? (() => 0)));
        Control.Breaker.Restore(
            State.Suspensions().Where(record => record.Cause.ByForecast).Select(record => (record.Uid, record.Since)),
            State.RememberedBudgets().Max(budget => State.BudgetMemory(budget.Uid).BreakerOpenSince)
        );
        _echoes = new(_stores, time);
        var events = new BudgetEvents(new EventRecorder(client, new() { ReportingInstance = "simulation" }));
        var restorer = new FieldRestorer(client);
        var workloads = new WorkloadActor(client);
        var cronJobs = new CronJobSuspender(client, _stores, State, restorer, events, NullLogger<CronJobSuspender>.Instance);
        _recorder = new(_stores, Ledger, State, new ProgressTracker(), Control, new RequestObserver(_stores, State), keptDays: 400, time);
        _actor = new(
            _stores,
            _store,
            new Suspender(_store, workloads, restorer, cronJobs, _echoes, NullLogger<Suspender>.Instance),
            new CheckpointActor(_stores, workloads, new CheckpointTracker(), events, NullLogger<CheckpointActor>.Instance),
            events,
            Control,
            time
        );
    }

    public GpuLedger Ledger => _store.Ledger;

    public OperatorState State => _store.State;

    public ObserveOnlyMode Control { get; }

    public static KubeClient Connect(SimulatedApi api, TimeProvider time) =>
        new(new KubeConfig { Server = new("http://simulation") }, new() { TimeProvider = time, Transport = api });

    /// <summary>Whether the cache does not show yet what was written last.</summary>
    public bool IsWaiting(string ns) => _echoes.IsWaiting([ns]);

    /// <summary>Returns an object as the watch reports it.</summary>
    public void See<T>(JsonObject obj)
        where T : class, IKubernetesEntity<T> =>
        ((Store<T>)((KindCache<T>)_stores.CacheOf(T.EntityKind.Kind)!).Informer.Store).Put(
            EntityJson.Read<T>(JsonSerializer.SerializeToUtf8Bytes(obj))
        );

    public void FlushAll() => Done(_store.FlushAllAsync(default));

    /// <summary>Carries out a decision on a GpuBudget, in the order of <see cref="BudgetReconciler"/>.</summary>
    public void CarryOut(BudgetSnapshot snapshot, BudgetDecision decision) =>
        CarryOut(
            new V1Alpha1GpuBudget()
            {
                Metadata = new()
                {
                    Namespace = snapshot.Namespace,
                    Name = snapshot.Name,
                    Uid = snapshot.Uid,
                },
            },
            [snapshot.Namespace],
            snapshot,
            decision
        );

    /// <summary>Carries out a decision on a budget of one or several namespaces.</summary>
    public void CarryOut(BudgetObject entity, IReadOnlyList<string> namespaces, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        var budget = new ReadBudget(entity, snapshot.Terms, LabelSelector.Everything, null, namespaces);
        _recorder.RestoreProgress(budget);
        _recorder.Record(budget, snapshot, decision);
        Done(_actor.RecordAsync(budget, snapshot, decision, default));
        Done(_actor.ActAsync(budget, snapshot, decision, default));
    }

    private static void Done(Task task) => task.GetAwaiter().GetResult();
}

/// <summary>The operator died at a write.</summary>
internal sealed class OperatorKilledException : Exception;
