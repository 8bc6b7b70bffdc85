using Bursar.Core.Money;
using Bursar.Core.Scaling;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Builders for snapshots of scalers: Deployment/chat with replicas at 2.00 USD/h, older than all delays.</summary>
internal static class GivenScaler
{
    public static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    public static readonly HourlyCost Price = HourlyCost.FromDecimal(2m);

    /// <summary>Tokens are measured in the replicas, the queue of a gateway in Prometheus.</summary>
    public static TriggerTerms Trigger(string name, double target = 100, double activation = 0) =>
        new()
        {
            Name = name,
            Type = name switch
            {
                "tokens" => TriggerType.Tokens,
                "queue" => TriggerType.Queue,
                "cron" => TriggerType.Cron,
                _ => TriggerType.Prometheus,
            },
            Target = target,
            Activation = activation,
        };

    public static ScalerTerms Terms(params TriggerTerms[] triggers) =>
        new()
        {
            Triggers = triggers,
            Max = 10,
            Behavior = AtOnce,
        };

    /// <summary>Behavior without windows and without limiting policies.</summary>
    public static ScalingBehavior AtOnce { get; } =
        new(
            new() { StabilizationWindowSeconds = 0, Policies = [new(ScalingPolicyType.Percent, 100_000, 15)] },
            new() { StabilizationWindowSeconds = 0, Policies = [new(ScalingPolicyType.Percent, 100, 15)] }
        );

    /// <summary>A scaler whose replicas are all ready. Each reading is a total over them; null is an error.</summary>
    public static ScalerSnapshot Scaler(ScalerTerms terms, int replicas, params double?[] readings) =>
        new()
        {
            Namespace = "team",
            Name = "chat",
            Target = "Deployment/chat",
            Now = Now,
            CreatedAt = Now.AddDays(-1),
            Terms = terms,
            Replicas = replicas,
            ActualReplicas = replicas,
            ReplicaStates =
            [
                .. Enumerable.Range(0, replicas).Select(i => new ReplicaState($"r{i}", Pending: false, Ready: true, Leaving: false)),
            ],
            Readings =
            [
                .. readings.Select(value =>
                    value is { } known ? new TriggerReading { Value = known, At = Now.AddSeconds(-1) } : TriggerReading.Failed("no answer")
                ),
            ],
            Prices = new(replicas, Price * replicas, Price),
        };

    public static ScalerSnapshot Active(this ScalerSnapshot scaler, double secondsAgo) =>
        scaler with
        {
            Memory = scaler.Memory with { ActiveAt = scaler.Now.AddSeconds(-secondsAgo) },
        };

    public static ScalerSnapshot Failing(this ScalerSnapshot scaler, string trigger, double seconds) =>
        scaler with
        {
            Memory = scaler.Memory with
            {
                FailingSince = new Dictionary<string, DateTimeOffset>(scaler.Memory.FailingSince)
                {
                    [trigger] = scaler.Now.AddSeconds(-seconds),
                },
            },
        };

    public static ScalerDecision Decide(this ScalerSnapshot scaler, params ReplicaCap[] caps) =>
        ScalerDecider.Decide(scaler, ScalerDemand.From(scaler), caps);
}
