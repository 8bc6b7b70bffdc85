using System.Collections.Concurrent;
using System.Collections.Immutable;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.Targets;
using Grpc.Core;

namespace Bursar.Operator.Scaling;

/// <summary>
/// ScaledObjects whose triggers query Bursar. KEDA scales them, and Bursar measures and limits the metric to what the budgets can afford.
/// They get a share of a budget's affordable rate like InferenceScalers. Thread-safe.
/// </summary>
internal sealed class ExternalScalerClients(
    ClusterStores stores,
    ScaleTargets targets,
    ScalerObserver observer,
    ObserveOnlyMode control,
    TimeProvider time
)
{
    /// <summary>KEDA queries every few seconds. A ScaledObject that has not for this long is removed.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<ObjectKey, ExternalScalerClient> _clients = new();

    /// <summary>The latest decisions on InferenceScalers.</summary>
    public required Func<ObjectKey, ScalerResult?> LastOf { get; init; }

    /// <summary>Raised with the namespace when a ScaledObject sends a new query.</summary>
    public event Action<string>? QueryAdded;

    public ScalerAnswer Answer(ScalerRequest request)
    {
        var key = new ObjectKey(request.Namespace, request.Name);
        if (stores.ScaledObjects.Store.Get(request.Namespace, request.Name) is not { } scaled)
            return new ScalerAnswer.Error(StatusCode.NotFound, $"there is no ScaledObject {request.Name} in namespace {request.Namespace}");
        if (request.Query is ScalerQuery.OfScaler scaler)
            return OfScaler(new(request.Namespace, scaler.Name));
        var query = (ScalerQuery.OfTrigger)request.Query;
        // The same trigger with other keys is another trigger.
        var trigger = query.Terms with { Name = NameOf(query) };
        var client = _clients.GetOrAdd(key, _ => new(time.GetUtcNow()));
        var isNew = client.Query(trigger, query.CostCapPerHour, time.GetUtcNow());
        if (isNew)
            QueryAdded?.Invoke(request.Namespace);
        if (Find(scaled, out var whyNot) is not { } target)
            return new ScalerAnswer.Error(StatusCode.NotFound, whyNot!);

        var snapshot = observer.Observe(
            scaled,
            Terms(scaled, [trigger], query.CostCapPerHour),
            target,
            ScalerMemory.Empty,
            null,
            client.Since
        );
        var reading = snapshot.Readings[0];
        var metric = $"bursar-{trigger.Name}";
        if (reading.Value is not { } measured)
            return snapshot.Replicas == 0 && reading.Error is null
                ? new ScalerAnswer.Figure(false, metric, trigger.Target, 0)
                : new ScalerAnswer.Missing(metric, trigger.Target, reading.Error ?? ScalerDemand.NoFigureYet);
        // KEDA's HPA divides the metric by the replicas, so averages are multiplied by their number.
        var value = trigger.AddsUp
            ? measured
            : measured
                * (trigger.Type == TriggerType.Latency ? snapshot.ReplicaStates.Count(state => state.Ready) : snapshot.ActualReplicas);
        var affordable = control.ObserveOnly ? int.MaxValue : client.State.Affordable ?? snapshot.Replicas;
        return new ScalerAnswer.Figure(
            measured > trigger.Activation && affordable > 0,
            metric,
            trigger.Target,
            Math.Min(value, affordable * trigger.Target)
        );
    }

    /// <summary>Returns the ScaledObjects of a namespace that query Bursar, with their snapshots.</summary>
    internal IEnumerable<(ExternalScalerClient Client, V1ScaledObject Scaled, ScaleTarget Target, ScalerSnapshot Snapshot)> In(string ns)
    {
        foreach (var (key, client) in _clients)
        {
            if (key.Namespace != ns)
                continue;
            if (time.GetUtcNow() - client.State.CalledAt > Life || stores.ScaledObjects.Store.Get(ns, key.Name) is not { } scaled)
            {
                _clients.TryRemove(key, out _);
                continue;
            }
            if (Find(scaled, out _) is not { } target)
                continue;
            var state = client.State;
            yield return (
                client,
                scaled,
                target,
                observer.Observe(scaled, Terms(scaled, state.Triggers, state.Cap), target, client.Memory, null, client.Since) with
                {
                    ScaledBy = null,
                }
            );
        }
    }

    public bool HasAny(string ns) => _clients.Keys.Any(key => key.Namespace == ns);

    public IEnumerable<string> Namespaces => _clients.Keys.Select(key => key.Namespace ?? "").Distinct(StringComparer.Ordinal);

    private ScalerAnswer OfScaler(ObjectKey key)
    {
        if (stores.Scalers.Store.Get(key) is null)
            return new ScalerAnswer.Error(StatusCode.NotFound, $"there is no InferenceScaler {key.Name} in namespace {key.Namespace}");
        var metric = $"bursar-{key.Name}";
        if (LastOf(key) is not { } last)
            return new ScalerAnswer.Missing(metric, 1, $"InferenceScaler {key.Name} has not come to a decision");
        if (last.Decision.Triggers.Count > 0 && last.Decision.Triggers.All(trigger => trigger.Error is not null))
            return new ScalerAnswer.Missing(metric, 1, $"{last.Decision.Triggers[0].Name}: {last.Decision.Triggers[0].Error}");
        var replicas = control.ObserveOnly
            ? last.Decision.Wanted
            : Math.Min(last.Decision.Wanted, last.Decision.Affordable ?? int.MaxValue);
        return new ScalerAnswer.Figure(last.Decision.IsActive && replicas > 0, metric, 1, replicas);
    }

    private static string NameOf(ScalerQuery.OfTrigger query) =>
        $"{query.Type}-{string.Join("-", query.Keys.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}-{pair.Value}"))}"
            .ToLowerInvariant()
            .Replace('.', '-');

    private ScaleTarget? Find(V1ScaledObject scaled, out string? whyNot) =>
        targets.Find(
            scaled.Metadata.Namespace ?? "",
            scaled.Spec.ScaleTargetRef.ApiVersion ?? "apps/v1",
            scaled.Spec.ScaleTargetRef.Kind ?? "Deployment",
            scaled.Spec.ScaleTargetRef.Name,
            out whyNot
        );

    private static ScalerTerms Terms(V1ScaledObject scaled, IReadOnlyList<TriggerTerms> triggers, HourlyCost? cap) =>
        new()
        {
            Min = Math.Max(0, scaled.Spec.MinReplicaCount ?? 0),
            Max = Math.Max(1, scaled.Spec.MaxReplicaCount ?? 100),
            Triggers = triggers,
            CostCap = cap,
        };
}

/// <summary>
/// A ScaledObject that queries Bursar. KEDA's calls and the scaler loop use it on different threads, so its state is one immutable value
/// that is replaced atomically.
/// </summary>
internal sealed class ExternalScalerClient(DateTimeOffset since)
{
    private ExternalScalerClientState _state = new();

    /// <summary>Used only by the scaler loop.</summary>
    public ScalerMemory Memory { get; set; } = ScalerMemory.Empty;

    public DateTimeOffset Since { get; } = since;

    /// <summary>The current state. Read it once to get consistent values.</summary>
    public ExternalScalerClientState State => Volatile.Read(ref _state);

    /// <summary>Records the replicas that the budgets can afford.</summary>
    public void Afford(int replicas) =>
        ImmutableInterlocked.Update(ref _state, static (state, affordable) => state with { Affordable = affordable }, replicas);

    /// <summary>Records a query. Returns false if it is the same as an earlier one.</summary>
    public bool Query(TriggerTerms trigger, HourlyCost? cap, DateTimeOffset now)
    {
        while (true)
        {
            var before = State;
            if (Interlocked.CompareExchange(ref _state, before.With(new(trigger, cap, now)), before) == before)
                return !before.Calls.Any(call => call.Trigger.Name == trigger.Name && call.Cap == cap);
        }
    }
}

internal sealed record ExternalScalerClientState
{
    private const int MostTriggers = 16;

    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    /// <summary>The latest query of each trigger, by name.</summary>
    public ImmutableArray<ExternalScalerCall> Calls { get; private init; } = [];

    /// <summary>The replicas that the budgets can afford; null before the first decision.</summary>
    public int? Affordable { get; init; }

    public DateTimeOffset CalledAt { get; private init; }

    public IReadOnlyList<TriggerTerms> Triggers => [.. Calls.Select(static call => call.Trigger)];

    public HourlyCost? Cap => Calls.Where(static call => call.Cap is not null).Select(static call => call.Cap).Min();

    /// <summary>Adds a query. A trigger with changed keys has a new name. The old one expires, or is removed for newer ones.</summary>
    public ExternalScalerClientState With(ExternalScalerCall added) =>
        this with
        {
            CalledAt = added.At,
            Calls =
            [
                .. Calls
                    .Where(call => call.Trigger.Name != added.Trigger.Name && added.At - call.At <= Life)
                    .OrderByDescending(static call => call.At)
                    .Take(MostTriggers - 1)
                    .Append(added)
                    .OrderBy(static call => call.Trigger.Name, StringComparer.Ordinal),
            ],
        };
}

internal sealed record ExternalScalerCall(TriggerTerms Trigger, HourlyCost? Cap, DateTimeOffset At);
