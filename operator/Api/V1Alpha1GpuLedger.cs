using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("gpul")]
[EntityScope(EntityScope.Namespaced)]
[Description(
    "A GpuLedger is one shard of Bursar's ledger, in Bursar's own namespace: what the GPU workloads of one namespace used on one day. "
        + "Only the operator writes it. Budgets are sums over it; deleting one loses what was counted."
)]
[GenericAdditionalPrinterColumn(".spec.kind", "Kind", "string", Description = "base, pods, usage, nodes, budget, day, series or clock.")]
[GenericAdditionalPrinterColumn(
    ".spec.namespace",
    "For",
    "string",
    Description = "The namespace of the workloads. Empty for entries without a namespace, such as unallocated GPUs."
)]
[GenericAdditionalPrinterColumn(".spec.day", "Day", "string", Description = "The day in UTC.")]
[GenericAdditionalPrinterColumn(".spec.shard", "Shard", "integer")]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class V1Alpha1GpuLedger : IKubernetesEntity<V1Alpha1GpuLedger>
{
    public const string KindName = "GpuLedger";
    public const string PluralName = "gpuledgers";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: true);

    public static JsonTypeInfo<V1Alpha1GpuLedger> JsonTypeInfo => ApiJson.GpuLedger;

    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public string Kind { get; set; } = KindName;

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Required]
    [Description("The shard.")]
    public GpuLedgerSpec? Spec { get; set; }
}

public sealed class GpuLedgerSpec
{
    [Required]
    [Length(1, 32)]
    [Description(
        "The kind of entries: base (prices and the installation), pods, usage (measurements of pods on a day), nodes, budget (suspensions and decisions), day (sums of a day whose pods are no longer kept), series (durations of the last runs of a series) or clock (the time up to which the others are complete)."
    )]
    public string? Kind { get; set; }

    [Length(0, 63)]
    [Description("The namespace of the workloads. Empty for entries without a namespace, such as unallocated GPUs.")]
    public string? Namespace { get; set; }

    [Length(10, 10)]
    [Pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    [Description("The day in UTC, such as 2026-11-21; empty for entries without a day.")]
    public string? Day { get; set; }

    [Required]
    [RangeMinimum(0)]
    [RangeMaximum(9999)]
    [Description("The number of the shard within the namespace and day, from 0. A shard has at most 128 KiB.")]
    public int Shard { get; set; }

    [Required]
    [PreserveUnknownFields]
    [Description(
        "The entries: GPU time of pods, prices and their changes, cursors of the agents' journals, suspended workloads with their original values, and decisions with their inputs. The format is internal to the operator."
    )]
    public JsonElement Data { get; set; }
}
