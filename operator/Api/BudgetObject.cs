using System.Text.Json.Serialization;
using Bursar.Core.Decisions;
using Bursar.Core.Text;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>A budget of one namespace (GpuBudget) or of several (ClusterGpuBudget). Both follow the same rules.</summary>
public abstract class BudgetObject : IKubernetesObject
{
    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public abstract string Kind { get; set; }

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Description("Observed spending, forecast and actions. Written by the operator.")]
    public GpuBudgetStatus? Status { get; set; }

    /// <summary>The part of the spec that both kinds have.</summary>
    [JsonIgnore]
    public abstract GpuBudgetSpec? BudgetSpec { get; }

    /// <summary>In the operator's cache, why the spec on the API server was refused; null if it is valid.</summary>
    [JsonIgnore]
    public SpecRefusal? Refusal { get; internal set; }

    /// <summary>The result of reading the spec by <see cref="GpuBudgetReader"/>; null before the first time.</summary>
    internal BudgetSpecRead? Read { get; set; }

    /// <summary>The generation whose spec is in force.</summary>
    [JsonIgnore]
    public long SpecGeneration => Refusal?.InForce ?? Metadata.Generation;

    /// <summary>
    /// The budget that this limit is part of. A limit inside a budget is an object of its own, named <c>budget/limit</c>, so that decisions
    /// treat it like one more budget. Null: this is a budget.
    /// </summary>
    [JsonIgnore]
    public BudgetObject? PartOf { get; private set; }

    /// <summary>The budget as it is on the API server.</summary>
    [JsonIgnore]
    public BudgetObject Whole => PartOf ?? this;

    /// <summary>The name of the limit inside its budget; null for a budget.</summary>
    [JsonIgnore]
    public string? LimitName => LimitIn(Metadata.Name);

    /// <summary>Returns a limit inside this budget, whose spec has been read and is valid.</summary>
    internal BudgetObject LimitOf(string name, BudgetTerms terms, LabelSelector selector)
    {
        var limit = (BudgetObject)MemberwiseClone();
        limit.PartOf = this;
        limit.Metadata = Metadata with { Name = $"{Metadata.Name}{LimitSeparator}{name}", Uid = $"{Metadata.Uid}{LimitSeparator}{name}" };
        limit.Status = null;
        limit.Read = Read! with { Terms = terms, Selector = selector, Limits = [], PerLabel = null };
        return limit;
    }

    /// <summary>Whether it is the limit of one value of a label.</summary>
    [JsonIgnore]
    public bool IsOfLabel => LimitName?.Contains('=', StringComparison.Ordinal) == true;

    /// <summary>Whether both are limits of one label, so that they have no workload in common.</summary>
    public bool IsLimitOfOtherValue(BudgetObject other) =>
        IsOfLabel && other.IsOfLabel && PartOf?.Metadata.Uid == other.PartOf?.Metadata.Uid;

    /// <summary>Separates a budget's name or UID from that of a limit inside it. Neither contains it.</summary>
    public const char LimitSeparator = '/';

    /// <summary>Returns the name of the limit in the name of an object; null for that of a budget.</summary>
    public static string? LimitIn(string name) => name.IndexOf(LimitSeparator) is >= 0 and var at ? name[(at + 1)..] : null;

    /// <summary>Returns the UID or name of the budget of a limit, or the given one if it is that of a budget.</summary>
    public static string WithoutLimit(string uidOrName) =>
        uidOrName.IndexOf(LimitSeparator) is >= 0 and var at ? uidOrName[..at] : uidOrName;

    /// <summary>Serializes the spec in force for <see cref="RestoreSpec"/>.</summary>
    internal abstract string StoreSpec();

    /// <summary>Puts the spec of an earlier version of this object in force.</summary>
    internal abstract void TakeSpec(BudgetObject earlier);

    /// <summary>Puts a spec in force that <see cref="StoreSpec"/> wrote.</summary>
    internal abstract void RestoreSpec(string stored);
}
