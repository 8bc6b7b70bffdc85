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
/// ScaledObjects whose triggers ask Bursar. KEDA scales them; Bursar measures, and says no more than the money carries: they take part in
/// the division of a budget's room as scalers do.
/// </summary>
internal sealed class ExternalScalerClients(
    ClusterStores stores,
    ScaleTargets targets,
    ScalerObserver observer,
    ObserveOnlyMode control,
    TimeProvider time
)
{
    /// <summary>KEDA asks every few seconds; one that has not for this long asks no more.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<ObjectKey, ExternalScalerClient> _clients = new();

    /// <summary>The decisions on InferenceScalers.</summary>
    public required Func<ObjectKey, ScalerResult?> LastOf { get; init; }

    /// <summary>Some guest asks what it did not ask before: its namespace.</summary>
    public event Action<string>? Came;

    /// <summary>What is said of one question.</summary>
    public ScalerAnswer Answer(ScalerRequest question)
    {
        var key = new ObjectKey(question.Namespace, question.Name);
        if (stores.ScaledObjects.Store.Get(question.Namespace, question.Name) is not { } scaled)
            return new ScalerAnswer.Error(
                StatusCode.NotFound,
                $"there is no ScaledObject {question.Name} in namespace {question.Namespace}"
            );
        if (question.Query is ScalerQuery.OfScaler named)
            return OfScaler(new(question.Namespace, named.Name));
        var ask = (ScalerQuery.OfTrigger)question.Query;
        // One trigger with two sets of keys is two triggers.
        var trigger = ask.Terms with { Name = NameOf(ask) };
        var guest = _clients.GetOrAdd(key, _ => new(time.GetUtcNow()));
        var isNew = guest.Query(trigger, ask.CostCapPerHour, time.GetUtcNow());
        if (isNew)
            Came?.Invoke(question.Namespace);
        if (Find(scaled, out var whyNot) is not { } target)
            return new ScalerAnswer.Error(StatusCode.NotFound, whyNot!);

        var snapshot = observer.Observe(
            scaled,
            Terms(scaled, [trigger], ask.CostCapPerHour),
            target,
            ScalerMemory.Empty,
            null,
            guest.Since
        );
        var reading = snapshot.Readings[0];
        var metric = $"bursar-{trigger.Name}";
        if (reading.Value is not { } measured)
            return snapshot.Replicas == 0 && reading.Error is null
                ? new ScalerAnswer.Figure(false, metric, trigger.Target, 0)
                : new ScalerAnswer.Missing(metric, trigger.Target, reading.Error ?? ScalerDemand.NoFigureYet);
        // KEDA's HPA divides what all replicas together carry: shares of something are told as so many times their average.
        var value = trigger.AddsUp
            ? measured
            : measured
                * (trigger.Type == TriggerType.Latency ? snapshot.ReplicaStates.Count(state => state.Ready) : snapshot.ActualReplicas);
        var most = control.ObserveOnly ? int.MaxValue : guest.State.Affordable ?? snapshot.Replicas;
        return new ScalerAnswer.Figure(
            measured > trigger.Activation && most > 0,
            metric,
            trigger.Target,
            Math.Min(value, most * trigger.Target)
        );
    }

    /// <summary>Those of a namespace, as they stand, for the division of the money.</summary>
    internal IEnumerable<(ExternalScalerClient Guest, V1ScaledObject Scaled, ScaleTarget Target, ScalerSnapshot Snapshot)> In(string ns)
    {
        foreach (var (key, guest) in _clients)
        {
            if (key.Namespace != ns)
                continue;
            if (time.GetUtcNow() - guest.State.CalledAt > Life || stores.ScaledObjects.Store.Get(ns, key.Name) is not { } scaled)
            {
                _clients.TryRemove(key, out _);
                continue;
            }
            if (Find(scaled, out _) is not { } target)
                continue;
            var state = guest.State;
            yield return (
                guest,
                scaled,
                target,
                observer.Observe(scaled, Terms(scaled, state.Triggers, state.Cap), target, guest.Memory, null, guest.Since) with
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

    private static string NameOf(ScalerQuery.OfTrigger ask) =>
        $"{ask.Type}-{string.Join("-", ask.Keys.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}-{pair.Value}"))}"
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
/// One ScaledObject, by what its triggers have asked. KEDA's calls and the scaler loop use it from threads of their own, so its state
/// is one value that is swapped at once.
/// </summary>
internal sealed class ExternalScalerClient(DateTimeOffset since)
{
    private ExternalScalerClientState _state = new();

    /// <summary>Read and written by the scaler loop alone.</summary>
    public ScalerMemory Memory { get; set; } = ScalerMemory.Empty;

    /// <summary>Since when it asks.</summary>
    public DateTimeOffset Since { get; } = since;

    /// <summary>What holds now; readers of several values read this once.</summary>
    public ExternalScalerClientState State => Volatile.Read(ref _state);

    /// <summary>Records the replicas that the budgets can afford.</summary>
    public void Afford(int replicas) =>
        ImmutableInterlocked.Update(ref _state, static (state, affordable) => state with { Affordable = affordable }, replicas);

    /// <summary>Records a question. False where it has asked the same before.</summary>
    public bool Query(TriggerTerms trigger, HourlyCost? cap, DateTimeOffset now)
    {
        while (true)
        {
            var before = State;
            if (Interlocked.CompareExchange(ref _state, before.With(new(trigger, cap, now)), before) == before)
                return !before.Calls.Any(ask => ask.Trigger.Name == trigger.Name && ask.Cap == cap);
        }
    }
}

/// <summary>The state of a <see cref="ExternalScalerClient"/>. Immutable.</summary>
internal sealed record ExternalScalerClientState
{
    private const int MostTriggers = 16;

    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    /// <summary>The latest question of each trigger, by name.</summary>
    public ImmutableArray<ExternalScalerCall> Calls { get; private init; } = [];

    /// <summary>The replicas that the budgets can afford; null before the first decision.</summary>
    public int? Affordable { get; init; }

    public DateTimeOffset CalledAt { get; private init; }

    public IReadOnlyList<TriggerTerms> Triggers => [.. Calls.Select(static ask => ask.Trigger)];

    /// <summary>The lowest of the triggers' caps.</summary>
    public HourlyCost? Cap => Calls.Where(static ask => ask.Cap is not null).Select(static ask => ask.Cap).Min();

    /// <summary>
    /// A trigger whose keys were changed asks under another name from then on: the old name goes with time, or for the newest names.
    /// </summary>
    public ExternalScalerClientState With(ExternalScalerCall asked) =>
        this with
        {
            CalledAt = asked.At,
            Calls =
            [
                .. Calls
                    .Where(ask => ask.Trigger.Name != asked.Trigger.Name && asked.At - ask.At <= Life)
                    .OrderByDescending(static ask => ask.At)
                    .Take(MostTriggers - 1)
                    .Append(asked)
                    .OrderBy(static ask => ask.Trigger.Name, StringComparer.Ordinal),
            ],
        };
}

/// <summary>A question of KEDA's.</summary>
internal sealed record ExternalScalerCall(TriggerTerms Trigger, HourlyCost? Cap, DateTimeOffset At);
