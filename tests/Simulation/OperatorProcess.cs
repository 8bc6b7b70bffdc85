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
    private readonly LoanObserver _loans;
    private readonly HashSet<string> _unstoredLoans = new(StringComparer.Ordinal);

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
        _loans = new(_stores, State, Decisions);
    }

    public DecisionStore Decisions { get; } = new();

    /// <summary>The reason why the last write of the ledger was rejected; null after a success.</summary>
    public string? LedgerFault => _store.Fault;

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

    /// <summary>Stores a budget, a request or a namespace in the cache.</summary>
    public void See(IKubernetesObject obj)
    {
        switch (obj)
        {
            case V1Alpha1GpuBudget budget:
                ((Store<V1Alpha1GpuBudget>)_stores.Budgets.Store).Put(budget);
                break;
            case V1Alpha1ClusterGpuBudget budget:
                ((Store<V1Alpha1ClusterGpuBudget>)_stores.ClusterBudgets.Store).Put(budget);
                break;
            case V1Alpha1GpuBudgetRequest request:
                ((Store<V1Alpha1GpuBudgetRequest>)_stores.Requests.Store).Put(request);
                break;
            case V1Namespace ns:
                ((Store<V1Namespace>)_stores.Namespaces.Store).Put(ns);
                break;
            default:
                throw new ArgumentException($"No cache for {obj.GetType().Name}.", nameof(obj));
        }
    }

    /// <summary>Removes a deleted request from the cache.</summary>
    public void Forget(V1Alpha1GpuBudgetRequest request) =>
        ((Store<V1Alpha1GpuBudgetRequest>)_stores.Requests.Store).Remove(ObjectKey.From(request));

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

    /// <summary>Returns a snapshot with what the budget's state adds to its limit.</summary>
    public BudgetSnapshot WithState(BudgetObject entity, BudgetSnapshot observed)
    {
        var budget = Read(entity);
        var snapshot = observed with { RolledOver = _recorder.BeginWindow(budget, observed.Now), LedgerFault = _store.Fault };
        return _recorder.Grant(budget, _recorder.WithLoans(snapshot)).Snapshot;
    }

    /// <summary>
    /// Decides on a budget that is in the cache, and carries the decision out, in the order of <see cref="BudgetReconciler"/>. Returns whether all
    /// writes succeeded.
    /// </summary>
    /// <param name="entity">The budget.</param>
    /// <param name="observe">Returns the snapshot without what the budget's state adds to it.</param>
    /// <param name="decided">Called with the decision before it is carried out.</param>
    public bool Pass(BudgetObject entity, Func<BudgetSnapshot> observe, Action<BudgetDecision> decided)
    {
        var budget = Read(entity);
        _recorder.RestoreProgress(budget);
        var own = WithState(entity, observe());
        var (snapshot, decision) = LoanDecider.Decide(own, () => _loans.OffersTo(budget, own));
        if (_recorder.RecordLoans(budget, own, snapshot))
            _unstoredLoans.Add(budget.Uid);
        _recorder.Record(budget, snapshot, decision);
        Decisions.Record(entity, decision);
        Decisions.MarkOthers(entity, decision, _stores.Coverage);
        decided(decision);
        try
        {
            if (_unstoredLoans.Contains(budget.Uid))
                Done(_actor.StoreAsync(budget, default));
            _unstoredLoans.Remove(budget.Uid);
            Done(_actor.RecordAsync(budget, snapshot, decision, default));
            Done(_actor.ActAsync(budget, snapshot, decision, default));
            return true;
        }
        catch (ApiException)
        {
            return false;
        }
    }

    private ReadBudget Read(BudgetObject entity)
    {
        var errors = GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt);
        if (errors.Count > 0)
            throw new ArgumentException(string.Join("; ", errors), nameof(entity));
        return new(entity, terms!, selector, exempt, _recorder.NamespacesOf(entity, terms!));
    }

    private static void Done(Task task) => task.GetAwaiter().GetResult();
}

/// <summary>The operator died at a write.</summary>
internal sealed class OperatorKilledException : Exception;
