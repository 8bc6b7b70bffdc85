using System.Globalization;
using Bursar.Api;
using Bursar.Core.Scaling;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Signals;

namespace Bursar.Operator.Scaling;

/// <summary>
/// Measures triggers from agents' reports on the target's pods, Prometheus answers and the clock. An old or missing value is an error or
/// absent, never 0.
/// </summary>
internal sealed class TriggerMeter(
    SignalCache signals,
    PrometheusPoller prometheus,
    Func<IReadOnlyCollection<string>> sources,
    TimeProvider time
)
{
    /// <summary>Age at which a report is too old. Agents report every second.</summary>
    public static readonly TimeSpan Stale = TimeSpan.FromSeconds(15);

    /// <param name="trigger">The trigger to measure.</param>
    /// <param name="target">The target with its replicas.</param>
    /// <param name="states">The states of the replicas.</param>
    /// <param name="pollingInterval">The query interval of Prometheus.</param>
    /// <param name="queriedSince">Since when agents are queried for these replicas. Earlier there can be no report.</param>
    public TriggerReading Read(
        TriggerTerms trigger,
        ScaleTarget target,
        IReadOnlyList<ReplicaState> states,
        TimeSpan pollingInterval,
        DateTimeOffset queriedSince
    )
    {
        var now = time.GetUtcNow();
        return trigger.Type switch
        {
            TriggerType.Cron => OfClock(trigger, now),
            TriggerType.Prometheus => OfPrometheus(trigger, pollingInterval, now),
            TriggerType.Latency => OfLatency(trigger, target, states, queriedSince, now),
            _ => OfReplicas(trigger, target, states, queriedSince, now),
        };
    }

    /// <summary>Replaces the Prometheus queries of a scaler by those that its triggers need.</summary>
    public void Want(string scalerUid, ScalerTerms terms) => prometheus.Want(scalerUid, QuestionsOf(terms));

    public void Forget(string scalerUid) => prometheus.Forget(scalerUid);

    /// <summary>Whether any of its pods has running or waiting requests.</summary>
    public bool HasRequests(ScaleTarget target)
    {
        foreach (var replica in target.ReplicaPods)
        foreach (var pod in replica.Pods)
            if (signals.Get(pod.Metadata.Uid) is { } known && (known.RequestsRunning ?? 0) + (known.RequestsWaiting ?? 0) > 0)
                return true;
        return false;
    }

    private TriggerReading OfReplicas(
        TriggerTerms trigger,
        ScaleTarget target,
        IReadOnlyList<ReplicaState> states,
        DateTimeOffset queriedSince,
        DateTimeOffset now
    )
    {
        // Without replicas, tokens and queues are zero, but cache use and utilization are unknown.
        if (target.ReplicaPods.Count == 0)
            return new() { Value = trigger.AddsUp ? 0 : null, At = now };
        var values = new Dictionary<string, long>(StringComparer.Ordinal);
        var (sum, count, last) = (0d, 0, DateTimeOffset.MinValue);
        foreach (var replica in target.ReplicaPods)
        {
            if (Figure(trigger, replica, now, out var at) is not { } figure)
                continue;
            values[replica.Key] = ReplicaCalculator.Milli(figure);
            sum += figure;
            count++;
            if (at > last)
                last = at;
        }
        if (count == 0)
            return NoValue(trigger, target, states, queriedSince, now);
        return new()
        {
            PerReplica = values,
            Value = trigger.AddsUp ? sum : sum / count,
            At = last,
        };
    }

    /// <summary>Returns a replica's value: the sum or the mean over its pods; null if none has a recent value.</summary>
    private double? Figure(TriggerTerms trigger, TargetReplica replica, DateTimeOffset now, out DateTimeOffset at)
    {
        var (sum, count) = (0d, 0);
        at = DateTimeOffset.MinValue;
        foreach (var pod in replica.Pods)
        {
            if (signals.Get(pod.Metadata.Uid) is not { } known || now - known.At > Stale)
                continue;
            var figure = trigger.Type switch
            {
                TriggerType.Tokens => trigger.Metadata.ContainsKey(TriggerReader.Generated)
                    ? known.GeneratedTokensPerSecond
                    : known.PromptTokensPerSecond,
                TriggerType.Queue => known.RequestsWaiting,
                TriggerType.KvCache => known.CacheUse * 100,
                _ => known.GpuUtilizationPercent,
            };
            if (figure is not { } value)
                continue;
            sum += value;
            count++;
            if (known.At > at)
                at = known.At;
        }
        return count == 0 ? null
            : trigger.AddsUp ? sum
            : sum / count;
    }

    private TriggerReading OfLatency(
        TriggerTerms trigger,
        ScaleTarget target,
        IReadOnlyList<ReplicaState> states,
        DateTimeOffset queriedSince,
        DateTimeOffset now
    )
    {
        if (target.ReplicaPods.Count == 0)
            return new() { At = now };
        LatencyHistogram? all = null;
        var last = DateTimeOffset.MinValue;
        foreach (var replica in target.ReplicaPods)
        foreach (var pod in replica.Pods)
        {
            if (signals.Get(pod.Metadata.Uid) is not { } known || now - known.At > Stale)
                continue;
            var one = trigger.Metadata[TriggerReader.Metric] switch
            {
                "firstToken" => known.FirstToken,
                "betweenTokens" => known.BetweenTokens,
                _ => known.EndToEnd,
            };
            if (one is null)
                continue;
            all = all is null ? one : all.Plus(one);
            if (known.At > last)
                last = known.At;
        }
        if (all is null)
            return NoValue(trigger, target, states, queriedSince, now);
        var percentile = double.Parse(
            trigger.Metadata.GetValueOrDefault(TriggerReader.Percentile, "95"),
            NumberStyles.Float,
            CultureInfo.InvariantCulture
        );
        if (all.Quantile(percentile / 100) is { } seconds)
            return new() { Value = seconds, At = last };
        // No request finished. Without requests the latency is zero; otherwise it is not known yet.
        return HasRequests(target) ? new() { At = last } : new() { Value = 0, At = last };
    }

    private static TriggerReading NoValue(
        TriggerTerms trigger,
        ScaleTarget target,
        IReadOnlyList<ReplicaState> states,
        DateTimeOffset queriedSince,
        DateTimeOffset now
    )
    {
        // A replica that became ready recently, or is queried only now, has no report yet.
        if (now - queriedSince <= Stale)
            return new() { At = now };
        var ready = states
            .Where(state => state is { Ready: true, Leaving: false })
            .Select(state => state.Key)
            .ToHashSet(StringComparer.Ordinal);
        var awaited = target.ReplicaPods.Count(replica =>
            ready.Contains(replica.Key)
            && replica.Pods.All(pod =>
                pod.Status.Conditions.FirstOrDefault(condition => condition is { Type: "Ready", Status: "True" })?.LastTransitionTime
                    is not { } since
                || now - since > Stale
            )
        );
        return awaited == 0
            ? new() { At = now }
            : TriggerReading.Failed(
                $"none of {awaited} ready replica{(awaited == 1 ? "" : "s")} of {target.Display} has reported {Name(trigger)} for {Stale.TotalSeconds:0} seconds"
            ) with
            {
                At = now,
            };
    }

    private TriggerReading OfPrometheus(TriggerTerms trigger, TimeSpan pollingInterval, DateTimeOffset now)
    {
        if (SourceOf(trigger, out var wrong) is not { } source)
            return TriggerReading.Failed(wrong) with { At = now };
        // Not queried yet, which is no failure.
        if (prometheus.Get(source, trigger.Metadata[TriggerReader.Query]) is not { } reading)
            return new() { At = now };
        if (now - reading.At > pollingInterval * 3 + Stale)
            return TriggerReading.Failed($"the last answer of Prometheus source {source} is too old") with { At = reading.At };
        if (reading.Answer.Error is { } error)
            return TriggerReading.Failed(error) with { At = reading.At };
        // A result may be empty only because data could not be read.
        if (reading.Answer.Warning is { } warning && trigger.Metadata.GetValueOrDefault(TriggerReader.AcceptPartialAnswer) != "true")
            return TriggerReading.Failed(
                $"{warning}: the answer is incomplete ({TriggerReader.AcceptPartialAnswer}: \"true\" would accept it)"
            ) with
            {
                At = reading.At,
            };
        if (reading.Answer.Value is { } value)
            return new() { Value = value, At = reading.At };
        return trigger.Metadata.GetValueOrDefault(TriggerReader.IgnoreNullValues) == "true"
            ? new() { Value = 0, At = reading.At }
            : TriggerReading.Failed("the query's answer is empty") with
            {
                At = reading.At,
            };
    }

    private IReadOnlyList<PromQuestion> QuestionsOf(ScalerTerms terms) =>
        [
            .. terms
                .Triggers.Where(trigger => trigger.Type == TriggerType.Prometheus && SourceOf(trigger, out _) is not null)
                .Select(trigger => new PromQuestion(
                    SourceOf(trigger, out _)!,
                    trigger.Metadata[TriggerReader.Query],
                    terms.PollingInterval
                ))
                .Distinct(),
        ];

    /// <summary>Returns the source that a trigger names, or the only source.</summary>
    private string? SourceOf(TriggerTerms trigger, out string error)
    {
        var known = sources();
        var named = trigger.Metadata.GetValueOrDefault(TriggerReader.Source);
        error =
            known.Count == 0 ? "no Prometheus is named in the chart (operator.prometheus)"
            : named is null
                ? $"several Prometheus sources are named in the chart, and the trigger names none of them: {string.Join(", ", known.Order(StringComparer.Ordinal))}"
            : $"no Prometheus source is named \"{named}\" in the chart; there is {string.Join(", ", known.Order(StringComparer.Ordinal))}";
        return named is not null
            ? known.Contains(named)
                ? named
                : null
            : known.Count == 1
                ? known.First()
                : null;
    }

    private static TriggerReading OfClock(TriggerTerms trigger, DateTimeOffset now)
    {
        var window = CronWindow.TryParse(
            trigger.Metadata[TriggerReader.Start],
            trigger.Metadata[TriggerReader.End],
            trigger.Metadata[TriggerReader.TimeZone],
            out var error
        );
        return window is null
            ? TriggerReading.Failed(error)
            : new()
            {
                Value = window.IsActive(now)
                    ? double.Parse(trigger.Metadata[TriggerReader.DesiredReplicas], CultureInfo.InvariantCulture)
                    : 0,
                At = now,
            };
    }

    private static string Name(TriggerTerms trigger) =>
        trigger.Type switch
        {
            TriggerType.Tokens => "its tokens",
            TriggerType.Queue => "its queue",
            TriggerType.KvCache => "its KV cache's use",
            TriggerType.GpuUtilization => "its GPUs' utilization",
            _ => "its latencies",
        };
}
