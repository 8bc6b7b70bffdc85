using System.Text.Json.Serialization;
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

    /// <summary>Serializes the spec in force for <see cref="RestoreSpec"/>.</summary>
    internal abstract string StoreSpec();

    /// <summary>Puts the spec of an earlier version of this object in force.</summary>
    internal abstract void TakeSpec(BudgetObject earlier);

    /// <summary>Puts a spec in force that <see cref="StoreSpec"/> wrote.</summary>
    internal abstract void RestoreSpec(string stored);
}
