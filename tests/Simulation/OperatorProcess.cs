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
/// What one process of the operator writes, with the product's own actor and ledger store. The simulation sees, decides when to evaluate, and
/// lets the process die: it then makes another one on the same API server.
/// </summary>
internal sealed class OperatorProcess
{
    private readonly ClusterStores _stores;
    private readonly LedgerStore _store;
    private readonly BudgetActor _actor;
    private readonly EchoGuard _echoes;

    /// <param name="client">Over a <see cref="SimulatedApi"/>, whose answers never wait.</param>
    /// <param name="stoppable">How many workloads the circuit breaker counts.</param>
    public OperatorProcess(KubeClient client, Func<int>? stoppable = null)
    {
        var time = client.TimeProvider;
        _stores = new(client, "bursar");
        _store = new(client, "bursar", time, NullLogger<LedgerStore>.Instance);
        (Ledger, State) = Done(_store.LoadAsync(default));
        Brake = new(stoppable ?? (() => 0));
        Control = new(Brake);
        _echoes = new(_stores, time);
        var events = new BudgetEvents(new EventRecorder(client, new() { ReportingInstance = "simulation" }));
        var restorer = new FieldRestorer(client);
        _actor = new(
            _stores,
            Ledger,
            State,
            _store,
            new WorkloadActor(client),
            restorer,
            new CronJobSuspender(client, _stores, State, restorer, events, NullLogger<CronJobSuspender>.Instance),
            _echoes,
            events,
            Brake,
            Control,
            new CheckpointBoard(),
            NullLogger<BudgetActor>.Instance
        );
    }

    public GpuLedger Ledger { get; }

    public OperatorState State { get; }

    public ClusterBrake Brake { get; }

    public ControlSwitch Control { get; }

    public static KubeClient Connect(SimulatedApi api, TimeProvider time) =>
        new(new KubeConfig { Server = new("http://simulation") }, new() { TimeProvider = time, Transport = api });

    /// <summary>Whether the cache does not show yet what was written last.</summary>
    public bool IsWaiting(string ns) => _echoes.IsWaiting(ns);

    /// <summary>An object as the watch tells of it.</summary>
    public void See(V1Job job) => ((Store<V1Job>)_stores.Jobs.Store).Put(job);

    public void FlushAll() => Done(_store.FlushAllAsync(Ledger, State, default));

    /// <summary>Carries out a decision, in the order of <see cref="BudgetController"/>.</summary>
    public void CarryOut(BudgetSnapshot snapshot, BudgetDecision decision)
    {
        var budget = new ReadBudget(
            new()
            {
                Metadata = new()
                {
                    Namespace = snapshot.Namespace,
                    Name = snapshot.Name,
                    Uid = snapshot.Uid,
                },
            },
            snapshot.Terms,
            LabelSelector.Everything,
            null
        );
        if (decision.Conditions.Any(condition => condition is { Type: ConditionTypes.BrakeApplied, Status: true }))
            Brake.Apply(decision.At);
        State.SetBudgetMemory(snapshot.Namespace, snapshot.Name, snapshot.Uid, decision.Memory);
        foreach (var key in decision.LetGo)
        foreach (var record in State.ParkedBy(snapshot.Uid).Where(record => record.Uid == key.Uid))
            Done(_actor.ForgetAsync(budget, record, mayWrite: true, default));
        _actor.ConfirmSeen(budget, snapshot, decision);
        Done(_actor.ForgetOutlivedAsync(budget, snapshot, mayWrite: true, default));
        Done(_actor.ActAsync(budget, snapshot, decision, default));
    }

    private static void Done(Task task) => task.GetAwaiter().GetResult();

    private static T Done<T>(Task<T> task) => task.GetAwaiter().GetResult();
}

/// <summary>The operator died at a write.</summary>
internal sealed class OperatorDiedException : Exception;
