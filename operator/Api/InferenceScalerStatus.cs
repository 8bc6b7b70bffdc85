using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>
/// The status of a scaler, replaced as a whole after each decision. Amounts are decimal strings in the price book's currency, times RFC
/// 3339.
/// </summary>
public sealed class InferenceScalerStatus
{
    [Description("The generation of the spec that this status describes.")]
    public long? ObservedGeneration { get; set; }

    [Length(0, 400)]
    [Description("The target as Kind/name.")]
    public string? Target { get; set; }

    [Description("The replicas set on the target.")]
    public int? Replicas { get; set; }

    [Description("The replicas that demand requires, between minimum and maximum.")]
    public int? Wanted { get; set; }

    [Description("The replicas that the budget covers; absent if no budget limits them.")]
    public int? Affordable { get; set; }

    [Length(0, 40)]
    [Description("The cost per hour of the replicas that demand requires and the budget does not cover.")]
    public string? MissingPerHour { get; set; }

    [Length(0, 40)]
    [Description("The cost per hour of the target's pods.")]
    public string? CostPerHour { get; set; }

    [Length(0, 8)]
    [Description("The currency of all amounts here, from the price book.")]
    public string? Currency { get; set; }

    [Length(0, 64)]
    [Description("The reason for the number of replicas, as one CamelCase word.")]
    public string? Reason { get; set; }

    [Length(0, 2048)]
    [Description("The reason as a sentence for people.")]
    public string? Message { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The last time a trigger was active.")]
    public string? LastActiveTime { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The last time Bursar scaled the target.")]
    public string? LastScaleTime { get; set; }

    [Description("The limit on the replicas; absent if there is none.")]
    public InferenceScalerStatusCap? Cap { get; set; }

    [Items(0, 16)]
    [Description("The value of each trigger when this status was written.")]
    public IReadOnlyList<InferenceScalerStatusTrigger>? Triggers { get; set; }

    [Items(0, 16)]
    [ListType("map", "type")]
    [Description(
        "Ready: Bursar scales the target. Active: a trigger is active. Affordable: the budget covers what demand asks for. Fallback: the fallback replaces a trigger. Contested, while it holds: another client keeps scaling the target."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }

    /// <summary>Removes the fields that are not read back.</summary>
    public void Slim() => (Message, Triggers, Cap) = (null, null, null);
}

public sealed class InferenceScalerStatusCap
{
    [Length(0, 253)]
    [Description("The name of the budget, or costCap.")]
    public string? By { get; set; }

    [Length(0, 40)]
    [Description("The cost per hour that the affordable replicas may reach together.")]
    public string? PerHour { get; set; }

    [Length(0, 1024)]
    [Description("How the number of affordable replicas is computed.")]
    public string? Message { get; set; }
}

public sealed class InferenceScalerStatusTrigger
{
    [Length(0, 128)]
    [Description("The trigger's name.")]
    public string? Name { get; set; }

    [Length(0, 40)]
    [Description("The value over all replicas together; absent if nothing was measured.")]
    public string? Value { get; set; }

    [Length(0, 40)]
    [Description("The target value of the trigger.")]
    public string? Target { get; set; }

    [Description("Whether the trigger is active.")]
    public bool? Active { get; set; }

    [Description("The replicas that the trigger requires.")]
    public int? Replicas { get; set; }

    [Length(0, 512)]
    [Description("The reason why the trigger has no value.")]
    public string? Error { get; set; }
}
