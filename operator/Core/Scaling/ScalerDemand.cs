using Bursar.Core.Decisions;

namespace Bursar.Core.Scaling;

/// <summary>
/// The replicas that demand asks for, regardless of cost: KEDA's rules between zero and one (activation, cooldown, fallback), the HPA's
/// calculation above that.
/// </summary>
public sealed record ScalerDemand
{
    public required int Desired { get; init; }

    public required int Wanted { get; init; }

    public required string Reason { get; init; }

    /// <summary>A clause that explains the result.</summary>
    public required string Why { get; init; }

    public required bool IsActive { get; init; }

    public required IReadOnlyList<TriggerVerdict> Triggers { get; init; }

    public required ScalerMemory Memory { get; init; }

    /// <summary>The first query has not had the time to fail.</summary>
    public const string NoFigureYet = "there is no value yet";

    /// <summary>A trigger without a value and without a fallback.</summary>
    public string? Error { get; init; }

    public static ScalerDemand From(ScalerSnapshot scaler)
    {
        var terms = scaler.Terms;
        var failing = Failing(scaler);
        var verdicts = new TriggerVerdict[terms.Triggers.Count];
        for (var i = 0; i < verdicts.Length; i++)
            verdicts[i] = EvaluateTrigger(scaler, i, failing);
        var composite = terms.Modifiers is { } modifiers ? Composite(scaler, modifiers, verdicts) : null;
        var isActive = composite is { } combined ? combined.IsActive : verdicts.Any(verdict => verdict.IsActive);
        var memory = scaler.Memory with { FailingSince = failing, ActiveAt = isActive ? scaler.Now : scaler.Memory.ActiveAt };
        var demand = Decide(scaler, composite is null ? verdicts : [composite], verdicts, isActive, memory);

        var grows = demand.Wanted > scaler.Replicas;
        return demand with
        {
            Memory = demand.Memory with
            {
                DemandSince = !grows ? null : scaler.Memory.DemandSince ?? scaler.Readings.Max(reading => reading.At) ?? scaler.Now,
            },
        };
    }

    private static ScalerDemand Decide(
        ScalerSnapshot scaler,
        IReadOnlyList<TriggerVerdict> metrics,
        IReadOnlyList<TriggerVerdict> verdicts,
        bool isActive,
        ScalerMemory memory
    )
    {
        var terms = scaler.Terms;
        ScalerDemand Create(int desired, int wanted, string reason, string why, string? error = null) =>
            new()
            {
                Desired = desired,
                Wanted = wanted,
                Reason = reason,
                Why = why,
                IsActive = isActive,
                Triggers = verdicts,
                Memory = memory,
                Error = error,
            };

        var error = metrics.FirstOrDefault(metric => metric.Error is not null);
        var atLeastOne = Math.Max(terms.Min, 1);
        var rest = terms.Rest;
        // If no trigger could scale it up from zero, one replica stays.
        var neverToZero = rest == 0 && terms.Triggers.All(trigger => trigger.IsOfReplicas);
        if (neverToZero)
            rest = 1;
        if (scaler.Replicas < rest)
            return Create(
                rest,
                rest,
                neverToZero ? Reasons.NoActivationTrigger : HorizontalScaler.TooFewReplicas,
                neverToZero ? "no trigger could scale it from zero" : $"the minimum is {rest}"
            );
        if (scaler.Replicas == 0)
        {
            if (isActive)
                return Create(atLeastOne, atLeastOne, Reasons.ScaledFromZero, $"{Active(metrics)}");
            return error is not null
                ? Create(0, 0, Reasons.MetricsUnavailable, $"{error.Name}: {error.Error}", $"{error.Name}: {error.Error}")
                : Create(0, 0, Reasons.Idle, "no trigger is active");
        }

        if (!isActive && rest < atLeastOne && error is null && metrics.All(metric => metric.Value is not null))
        {
            if (scaler.Replicas == rest)
                return Create(rest, rest, Reasons.Idle, "no trigger is active");
            // The target is scaled to rest in one step, and only if that interrupts nothing.
            var keeps =
                scaler.IsRollingOut ? "a rollout is under way"
                : scaler.IsLoading ? "a replica is still starting"
                : scaler.InFlight ? "requests are in flight"
                : null;
            var since = memory.ActiveAt is { } active ? active + terms.Cooldown : scaler.CreatedAt + terms.InitialCooldown;
            if (scaler.CreatedAt + terms.InitialCooldown > since)
                since = scaler.CreatedAt + terms.InitialCooldown;
            if (keeps is null && scaler.Now >= since)
                return Create(
                    rest,
                    rest,
                    Reasons.Idle,
                    memory.ActiveAt is null ? "no trigger is active" : $"no trigger was active for {Text.GoDuration.Format(terms.Cooldown)}"
                );
            var step = Step(scaler, metrics, Math.Min(atLeastOne, scaler.Replicas), memory);
            memory = memory with { History = step.History };
            return Create(
                step.Desired,
                step.Wanted ?? step.Desired,
                keeps is null ? Reasons.CoolingDown : Reasons.ScaleDownDelayed,
                keeps ?? $"no trigger is active, and the cooldown ends at {Text.Rfc3339.Format(Whole(since))}"
            );
        }
        if (!isActive && terms.Idle is { } idle && scaler.Replicas == idle && idle > 0)
            return Create(
                idle,
                idle,
                error is null ? Reasons.Idle : Reasons.MetricsUnavailable,
                error is null ? "no trigger is active" : $"{error.Name}: {error.Error}",
                error?.Error
            );

        var result = Step(scaler, metrics, atLeastOne, memory);
        memory = memory with { History = result.History };
        // A missing first value is no failure.
        if (result.Error is { } wrong)
            return error is null
                ? Create(result.Desired, result.Desired, Reasons.AwaitingMetrics, wrong)
                : Create(result.Desired, result.Desired, Reasons.MetricsUnavailable, wrong, wrong);
        var fellBack = metrics.FirstOrDefault(metric => metric.FellBack);
        var (reason, why) =
            fellBack is not null ? (Reasons.FallbackActive, $"{fellBack.Name} fails ({fellBack.Error}), the fallback applies")
            // The metrics may ask for less than the minimum, which is no limitation.
            : result.LimitedBy is not null
            && result.Desired == scaler.Replicas
            && scaler.Replicas == atLeastOne
            && metrics.Count > 0
            && metrics.All(metric => metric.Replicas <= atLeastOne)
                ? (Reasons.DemandMet, $"{Measured(metrics, metrics[0].Name)}, and the minimum is {atLeastOne}")
            : result.LimitedBy is { } limit
                ? (limit, result.Metric.Length > 0 ? $"{Measured(metrics, result.Metric)}; {Limited(limit, terms)}" : Limited(limit, terms))
            : result.Desired == scaler.Replicas ? (Reasons.DemandMet, Measured(metrics, result.Metric))
            : (result.Desired > scaler.Replicas ? Reasons.ScalingUp : Reasons.ScalingDown, Measured(metrics, result.Metric));
        return Create(
            result.Desired,
            result.Wanted ?? result.Desired,
            reason,
            why,
            error is { FellBack: false } ? $"{error.Name}: {error.Error}" : null
        );
    }

    private static HorizontalStep Step(ScalerSnapshot scaler, IReadOnlyList<TriggerVerdict> metrics, int min, ScalerMemory memory) =>
        HorizontalScaler.Step(
            scaler.Replicas,
            min,
            Math.Max(scaler.Terms.Max, min),
            [.. metrics.Select(metric => new Proposal(metric.Replicas, metric.Name, metric.Error ?? NoFigureYet))],
            scaler.Terms.Behavior,
            memory.History,
            scaler.Now
        );

    private static TriggerVerdict EvaluateTrigger(ScalerSnapshot scaler, int index, IReadOnlyDictionary<string, DateTimeOffset> failing)
    {
        var (trigger, reading, behavior) = (scaler.Terms.Triggers[index], scaler.Readings[index], scaler.Terms.Behavior);
        var target = ReplicaCalculator.Milli(trigger.Target);
        if (ErrorOf(reading) is { } error)
        {
            if (FallbackFor(scaler, trigger.Name, failing) is not { } replicas)
                return new(trigger.Name, trigger.Type, null, trigger.Target, false, null, error, false);
            return new(
                trigger.Name,
                trigger.Type,
                null,
                trigger.Target,
                scaler.Replicas == 0 && replicas > 0,
                ReplicasOfFallback(scaler, replicas, target),
                error,
                true
            );
        }
        var isActive = reading.Value > trigger.Activation;
        int? wants =
            scaler.Replicas == 0 || reading.Value is not { } value ? null
            : reading.PerReplica is { } each ? ReplicaCalculator.PerReplica(scaler.Replicas, target, each, scaler.ReplicaStates, behavior)
            : trigger.MetricType == TriggerMetricType.Value
                ? ReplicaCalculator.Whole(scaler.Replicas, ReplicaCalculator.Milli(value), target, scaler.ReplicaStates, behavior)
            : ReplicaCalculator.Shared(scaler.ActualReplicas, ReplicaCalculator.Milli(value), target, behavior);
        return new(trigger.Name, trigger.Type, reading.Value, trigger.Target, isActive, wants, null, false);
    }

    /// <summary>Combines the values of all triggers by the formula.</summary>
    private static TriggerVerdict Composite(ScalerSnapshot scaler, ModifierTerms modifiers, IReadOnlyList<TriggerVerdict> verdicts)
    {
        const string name = "composite-metric";
        var target = ReplicaCalculator.Milli(modifiers.Target);
        TriggerVerdict Fails(string error) => new(name, TriggerType.Prometheus, null, modifiers.Target, false, null, error, false);
        // A trigger that failed often enough is nil to the formula if the fallback says so. Otherwise it fails the whole metric.
        var passes = scaler.Terms.Fallback?.Behavior == FallbackBehavior.ScalingModifiers;
        foreach (var verdict in verdicts)
            if (verdict.Error is { } error && !(verdict.FellBack && passes))
                return verdict.FellBack ? verdict with { Name = name } : Fails($"{verdict.Name}: {error}");
        var values = new Dictionary<string, double?>(StringComparer.Ordinal);
        foreach (var verdict in verdicts)
            values[verdict.Name] = verdict.Value;
        if (modifiers.Formula.Evaluate(values) is not { } value)
            return verdicts.All(verdict => verdict.Value is null && verdict.Error is null)
                ? Fails("") with
                {
                    Error = null,
                }
                : Fails("the formula has no result");
        int? wants =
            scaler.Replicas == 0 ? null
            : modifiers.MetricType == TriggerMetricType.Value
                ? ReplicaCalculator.Whole(
                    scaler.Replicas,
                    ReplicaCalculator.Milli(value),
                    target,
                    scaler.ReplicaStates,
                    scaler.Terms.Behavior
                )
            : ReplicaCalculator.Shared(scaler.ActualReplicas, ReplicaCalculator.Milli(value), target, scaler.Terms.Behavior);
        return new(name, TriggerType.Prometheus, value, modifiers.Target, value > modifiers.Activation, wants, null, false);
    }

    private static int? FallbackFor(ScalerSnapshot scaler, string trigger, IReadOnlyDictionary<string, DateTimeOffset> failing)
    {
        if (scaler.Terms.Fallback is not { } fallback || !failing.TryGetValue(trigger, out var since))
            return null;
        var failures = 1 + (scaler.Now - since).Ticks / Math.Max(1, scaler.Terms.PollingInterval.Ticks);
        if (failures <= fallback.FailureThreshold)
            return null;
        return fallback.Behavior switch
        {
            FallbackBehavior.CurrentReplicas => scaler.Replicas,
            FallbackBehavior.CurrentReplicasIfHigher => Math.Max(scaler.Replicas, fallback.Replicas),
            FallbackBehavior.CurrentReplicasIfLower => Math.Min(scaler.Replicas, fallback.Replicas),
            _ => fallback.Replicas,
        };
    }

    /// <summary>
    /// Returns what a metric that asks for so many replicas would compute, as KEDA does. During an outage at most all but one replica are
    /// removed.
    /// </summary>
    private static int? ReplicasOfFallback(ScalerSnapshot scaler, int replicas, long target) =>
        scaler.Replicas == 0
            ? null
            : ReplicaCalculator.Shared(scaler.ActualReplicas, Math.Max(1, replicas) * target, target, scaler.Terms.Behavior);

    /// <summary>A value that is not finite is an error, because a comparison with a threshold would treat it as inactive.</summary>
    private static string? ErrorOf(TriggerReading reading) =>
        reading.Error ?? (reading.Value is { } value && !double.IsFinite(value) ? "its value is not a number" : null);

    private static Dictionary<string, DateTimeOffset> Failing(ScalerSnapshot scaler)
    {
        var failing = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        for (var i = 0; i < scaler.Terms.Triggers.Count; i++)
        {
            var name = scaler.Terms.Triggers[i].Name;
            if (ErrorOf(scaler.Readings[i]) is not null)
                failing[name] = scaler.Memory.FailingSince.TryGetValue(name, out var since) ? since : scaler.Now;
        }
        return failing;
    }

    private static string Active(IReadOnlyList<TriggerVerdict> metrics) =>
        metrics.First(metric => metric.IsActive) is { FellBack: false } active
            ? $"{active.Name} is active at {Figure(active.Value ?? 0)}"
            : $"{metrics.First(metric => metric.IsActive).Name} fails and the fallback applies";

    private static string Measured(IReadOnlyList<TriggerVerdict> metrics, string name) =>
        metrics.FirstOrDefault(metric => metric.Name == name) is { Value: { } value } metric
            ? $"{name} is {Figure(value)} with a target of {Figure(metric.Target)}"
            : $"{name} decides";

    private static string Limited(string limit, ScalerTerms terms) =>
        limit switch
        {
            HorizontalScaler.ScaleDownStabilized => "the stabilisation window keeps the highest recommendation of its time",
            HorizontalScaler.ScaleUpStabilized => "the stabilisation window keeps the lowest recommendation of its time",
            HorizontalScaler.ScaleUpLimit or HorizontalScaler.ScaleDownLimit => "the policies let it go no further at once",
            HorizontalScaler.TooManyReplicas => $"the maximum is {terms.Max}",
            _ => $"the minimum is {Math.Max(1, terms.Min)}",
        };

    internal static string Figure(double value) => value.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture);

    private static DateTimeOffset Whole(DateTimeOffset at) => new(at.Ticks - at.Ticks % TimeSpan.TicksPerSecond, TimeSpan.Zero);
}
