using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Scaling;

internal static class ScalerStatus
{
    private static readonly string[] Optional =
    [
        "target",
        "replicas",
        "wanted",
        "affordable",
        "missingPerHour",
        "costPerHour",
        "currency",
        "reason",
        "message",
        "lastActiveTime",
        "lastScaleTime",
        "cap",
        "triggers",
    ];

    public static InferenceScalerStatus From(
        V1Alpha1InferenceScaler scaler,
        ScalerSnapshot snapshot,
        ScalerDecision decision,
        HourlyCost burn,
        DateTimeOffset? scaledAt
    ) =>
        new()
        {
            ObservedGeneration = scaler.Metadata.Generation,
            Target = snapshot.Target,
            Replicas = decision.Replicas,
            Wanted = decision.Wanted,
            Affordable = decision.Affordable,
            MissingPerHour = decision.MissingPerHour?.ToString(),
            CostPerHour = burn.ToString(),
            Currency = snapshot.Currency,
            Reason = decision.Reason,
            Message = Cut(decision.Sentence, 2048),
            LastActiveTime = decision.Memory.ActiveAt is { } active ? Rfc3339.Format(Seconds(active)) : scaler.Status?.LastActiveTime,
            LastScaleTime = scaledAt is { } at ? Rfc3339.Format(Seconds(at)) : scaler.Status?.LastScaleTime,
            Cap = decision.Cap is { } cap
                ? new()
                {
                    By = cap.Source,
                    PerHour = cap.PerHour?.ToString(),
                    Message = Cut(cap.Why, 1024),
                }
                : null,
            Triggers =
            [
                .. decision.Triggers.Select(trigger => new InferenceScalerStatusTrigger
                {
                    Name = trigger.Name,
                    Value = trigger.Value is { } value ? Figure(value) : null,
                    Target = Figure(trigger.Target),
                    Active = trigger.IsActive,
                    Replicas = trigger.Replicas,
                    Error = trigger.Error is { } error ? Cut(error, 512) : null,
                }),
            ],
            Conditions = Conditions(scaler, decision.Conditions, decision.At),
        };

    /// <summary>Returns the status of a scaler that cannot be evaluated, because of an invalid spec or of its target.</summary>
    public static InferenceScalerStatus Refused(V1Alpha1InferenceScaler scaler, string reason, string message, DateTimeOffset now) =>
        new()
        {
            ObservedGeneration = scaler.Metadata.Generation,
            Target = scaler.Spec?.ScaleTargetRef is { } target ? $"{target.Kind ?? "Deployment"}/{target.Name}" : null,
            Reason = reason,
            Message = Cut(message, 2048),
            LastActiveTime = scaler.Status?.LastActiveTime,
            LastScaleTime = scaler.Status?.LastScaleTime,
            Conditions = Conditions(scaler, [new(ConditionTypes.Ready, false, reason, Cut(message, 2048))], now),
        };

    /// <summary>
    /// Returns the time until a new status must be written; null if nothing relevant changed. A new reason, condition or replica count is
    /// written at once, changed demand or affordable replicas after 2 s, and measured values after 1 min.
    /// </summary>
    public static TimeSpan? DueIn(InferenceScalerStatus? written, InferenceScalerStatus next, TimeSpan sinceWrite)
    {
        if (
            written is null
            || written.ObservedGeneration != next.ObservedGeneration
            || written.Reason != next.Reason
            || written.Replicas != next.Replicas
            || written.LastScaleTime != next.LastScaleTime
            || !(written.Conditions ?? [])
                .Select(one => (one.Type, one.Status, one.Reason))
                .SequenceEqual((next.Conditions ?? []).Select(one => (one.Type, one.Status, one.Reason)))
        )
            return TimeSpan.Zero;
        // A user who repairs a trigger waits for the changed error.
        var soon =
            written.Wanted != next.Wanted
            || written.Affordable != next.Affordable
            || written.CostPerHour != next.CostPerHour
            || !Errors(written).SequenceEqual(Errors(next));
        if (
            !soon
            && written.Message == next.Message
            && written.LastActiveTime == next.LastActiveTime
            && (written.Triggers ?? [])
                .Select(one => (one.Name, one.Value, one.Error))
                .SequenceEqual((next.Triggers ?? []).Select(one => (one.Name, one.Value, one.Error)))
        )
            return null;
        var pause = TimeSpan.FromSeconds(soon ? 2 : 60);
        return sinceWrite >= pause ? TimeSpan.Zero : pause - sinceWrite;
    }

    private static IEnumerable<(string? Name, string? Error)> Errors(InferenceScalerStatus status) =>
        (status.Triggers ?? []).Select(one => (one.Name, one.Error));

    /// <summary>Returns a merge patch that also removes the fields that the new status no longer has.</summary>
    public static JsonObject Patch(V1Alpha1InferenceScaler scaler, InferenceScalerStatus status)
    {
        var json = JsonSerializer.SerializeToNode(new V1Alpha1InferenceScaler { Status = status }, ApiJson.InferenceScaler)!["status"]!
            .DeepClone()
            .AsObject();
        foreach (var optional in Optional)
            if (!json.ContainsKey(optional))
                json[optional] = null;
        foreach (var part in (ReadOnlySpan<string>)["by", "perHour", "message"])
            if (json["cap"] is JsonObject cap && !cap.ContainsKey(part))
                cap[part] = null;
        return new()
        {
            ["metadata"] = new JsonObject { ["uid"] = scaler.Metadata.Uid },
            ["status"] = json,
        };
    }

    private static IReadOnlyList<V1Condition> Conditions(
        V1Alpha1InferenceScaler scaler,
        IReadOnlyList<ConditionValue> values,
        DateTimeOffset now
    )
    {
        IReadOnlyList<V1Condition> conditions =
        [
            .. (scaler.Status?.Conditions ?? []).Where(known => values.Any(value => value.Type == known.Type)),
        ];
        foreach (var value in values)
            conditions = Bursar.Kubernetes.Conditions.Conditions.Set(
                conditions,
                new()
                {
                    Type = value.Type,
                    Status = value.Status switch
                    {
                        true => "True",
                        false => "False",
                        null => "Unknown",
                    },
                    Reason = value.Reason,
                    Message = Cut(value.Message, 2048),
                    ObservedGeneration = scaler.Metadata.Generation,
                },
                now
            );
        return [.. conditions.OrderBy(one => one.Type == ConditionTypes.Ready ? 0 : 1).ThenBy(one => one.Type, StringComparer.Ordinal)];
    }

    private static string Figure(double value) => value.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture);

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..(most - 1)] + "…";

    private static DateTimeOffset Seconds(DateTimeOffset at) => new(at.Ticks - at.Ticks % TimeSpan.TicksPerSecond, TimeSpan.Zero);
}
