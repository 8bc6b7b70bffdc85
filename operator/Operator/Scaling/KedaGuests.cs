using System.Collections.Concurrent;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Kube.Informers;
using Bursar.Kube.Objects;
using Bursar.Operator.Control;
using Bursar.Operator.Scaling.External;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Scaling;

/// <summary>
/// ScaledObjects whose triggers ask Bursar. KEDA scales them; Bursar measures, and says no more than the money carries: they take part in the
/// division of a budget's room as scalers do.
/// </summary>
public sealed class KedaGuests(ClusterStores stores, ScaleTargets targets, ScalerObserver observer, ControlSwitch control, TimeProvider time)
{
    /// <summary>KEDA asks every few seconds; one that has not for this long asks no more.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<ObjectKey, KedaGuest> _guests = new();

    /// <summary>The decisions on InferenceScalers.</summary>
    public required Func<ObjectKey, ScalerResult?> LastOf { get; init; }

    /// <summary>Some guest asks what it did not ask before: its namespace.</summary>
    public event Action<string>? Came;

    /// <summary>What is said of one question.</summary>
    public ExternalWord Answer(ExternalQuestion question)
    {
        var key = new ObjectKey(question.Namespace, question.Name);
        if (stores.ScaledObjects.Store.Get(question.Namespace, question.Name) is not { } scaled)
            return new ExternalWord.Error(GrpcCode.NotFound, $"there is no ScaledObject {question.Name} in namespace {question.Namespace}");
        if (question.Ask is ExternalAsk.OfScaler named) return OfScaler(new(question.Namespace, named.Name));
        var ask = (ExternalAsk.OfTrigger)question.Ask;
        // One trigger with two sets of keys is two triggers.
        var trigger = ask.Terms with { Name = NameOf(ask) };
        var guest = _guests.GetOrAdd(key, _ => new(time.GetUtcNow()));
        var isNew = guest.Ask(trigger, ask.CostCapPerHour, time.GetUtcNow());
        if (isNew) Came?.Invoke(question.Namespace);
        if (Find(scaled, out var whyNot) is not { } target) return new ExternalWord.Error(GrpcCode.NotFound, whyNot!);

        var snapshot = observer.Observe(scaled, Terms(scaled, [trigger], ask.CostCapPerHour), target, ScalerMemory.Empty, null, guest.Since);
        var reading = snapshot.Readings[0];
        var metric = $"bursar-{trigger.Name}";
        if (reading.Value is not { } measured)
            return snapshot.Replicas == 0 && reading.Error is null ? new ExternalWord.Figure(false, metric, trigger.Target, 0)
                : new ExternalWord.Missing(metric, trigger.Target, reading.Error ?? ScalerDemand.NoFigureYet);
        // KEDA's HPA divides what all replicas together carry: shares of something are told as so many times their average.
        var value = trigger.AddsUp ? measured : measured * (trigger.Type == TriggerType.Latency ? snapshot.ReplicaStates.Count(state => state.Ready) : snapshot.ActualReplicas);
        var most = control.ObserveOnly ? int.MaxValue : guest.Affordable ?? snapshot.Replicas;
        return new ExternalWord.Figure(measured > trigger.Activation && most > 0, metric, trigger.Target, Math.Min(value, most * trigger.Target));
    }

    /// <summary>Those of a namespace, as they stand, for the division of the money.</summary>
    internal IEnumerable<(KedaGuest Guest, V1ScaledObject Scaled, ScaleTarget Target, ScalerSnapshot Snapshot)> In(string ns)
    {
        foreach (var (key, guest) in _guests)
        {
            if (key.Namespace != ns) continue;
            if (time.GetUtcNow() - guest.AskedAt > Life || stores.ScaledObjects.Store.Get(ns, key.Name) is not { } scaled)
            {
                _guests.TryRemove(key, out _);
                continue;
            }
            if (Find(scaled, out _) is not { } target) continue;
            var (triggers, cap) = guest.Asks;
            yield return (guest, scaled, target, observer.Observe(scaled, Terms(scaled, triggers, cap), target, guest.Memory, null, guest.Since) with { ScaledBy = null });
        }
    }

    public bool HasAny(string ns) => _guests.Keys.Any(key => key.Namespace == ns);

    public IEnumerable<string> Namespaces => _guests.Keys.Select(key => key.Namespace ?? "").Distinct(StringComparer.Ordinal);

    private ExternalWord OfScaler(ObjectKey key)
    {
        if (stores.Scalers.Store.Get(key) is null) return new ExternalWord.Error(GrpcCode.NotFound, $"there is no InferenceScaler {key.Name} in namespace {key.Namespace}");
        var metric = $"bursar-{key.Name}";
        if (LastOf(key) is not { } last) return new ExternalWord.Missing(metric, 1, $"InferenceScaler {key.Name} has not come to a decision");
        if (last.Decision.Triggers.Count > 0 && last.Decision.Triggers.All(trigger => trigger.Error is not null))
            return new ExternalWord.Missing(metric, 1, $"{last.Decision.Triggers[0].Name}: {last.Decision.Triggers[0].Error}");
        var replicas = control.ObserveOnly ? last.Decision.Wanted : Math.Min(last.Decision.Wanted, last.Decision.Affordable ?? int.MaxValue);
        return new ExternalWord.Figure(last.Decision.IsActive && replicas > 0, metric, 1, replicas);
    }

    private static string NameOf(ExternalAsk.OfTrigger ask) =>
        $"{ask.Type}-{string.Join("-", ask.Keys.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}-{pair.Value}"))}".ToLowerInvariant().Replace('.', '-');

    private ScaleTarget? Find(V1ScaledObject scaled, out string? whyNot) =>
        targets.Find(scaled.Metadata.Namespace ?? "", scaled.Spec.ScaleTargetRef.ApiVersion ?? "apps/v1", scaled.Spec.ScaleTargetRef.Kind ?? "Deployment", scaled.Spec.ScaleTargetRef.Name, out whyNot);

    private static ScalerTerms Terms(V1ScaledObject scaled, IReadOnlyList<TriggerTerms> triggers, Rate? cap) => new()
    {
        Min = Math.Max(0, scaled.Spec.MinReplicaCount ?? 0),
        Max = Math.Max(1, scaled.Spec.MaxReplicaCount ?? 100),
        Triggers = triggers,
        CostCap = cap,
    };
}

/// <summary>One ScaledObject, by what its triggers have asked.</summary>
internal sealed class KedaGuest(DateTimeOffset since)
{
    private const int MostTriggers = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (TriggerTerms Trigger, Rate? Cap, DateTimeOffset At)> _asks = new(StringComparer.Ordinal);
    private DateTimeOffset _askedAt;
    private int? _affordable;

    /// <summary>Read and written by the scaler loop alone.</summary>
    public ScalerMemory Memory { get; set; } = ScalerMemory.Empty;

    /// <summary>Since when it asks.</summary>
    public DateTimeOffset Since { get; } = since;

    /// <summary>The replicas that the budgets can afford; null before the first decision. The loop writes it, KEDA's calls read it.</summary>
    public int? Affordable
    {
        get { lock (_gate) return _affordable; }
        set { lock (_gate) _affordable = value; }
    }

    public DateTimeOffset AskedAt
    {
        get { lock (_gate) return _askedAt; }
    }

    /// <summary>Its triggers, and the lowest of their caps.</summary>
    public (IReadOnlyList<TriggerTerms> Triggers, Rate? Cap) Asks
    {
        get
        {
            lock (_gate)
            {
                Rate? cap = null;
                foreach (var (_, own, _) in _asks.Values)
                    if (own is { } rate && (cap is null || rate < cap.Value)) cap = rate;
                return ([.. _asks.Values.Select(ask => ask.Trigger).OrderBy(trigger => trigger.Name, StringComparer.Ordinal)], cap);
            }
        }
    }

    /// <summary>False where it has asked the same before.</summary>
    public bool Ask(TriggerTerms trigger, Rate? cap, DateTimeOffset now)
    {
        lock (_gate)
        {
            _askedAt = now;
            var isNew = !_asks.TryGetValue(trigger.Name, out var known) || known.Cap != cap;
            _asks[trigger.Name] = (trigger, cap, now);
            // A trigger whose keys were changed asks under another name from then on.
            while (_asks.Count > MostTriggers) _asks.Remove(_asks.MinBy(ask => ask.Value.At).Key);
            foreach (var old in _asks.Where(ask => now - ask.Value.At > TimeSpan.FromMinutes(10)).Select(ask => ask.Key).ToArray()) _asks.Remove(old);
            return isNew;
        }
    }
}
