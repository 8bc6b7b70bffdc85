using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = KindName, PluralName = PluralName)]
[KubernetesEntityShortNames("infs")]
[EntityScope(EntityScope.Namespaced)]
[Description(
    "An InferenceScaler scales an inference workload on demand, to zero and back, within what its budget and its costCap cover. "
        + "Most of its fields are named as in KEDA's ScaledObject."
)]
[GenericAdditionalPrinterColumn(".status.target", "Target", "string", Description = "What it scales.")]
[GenericAdditionalPrinterColumn(".status.replicas", "Replicas", "integer", Description = "The replicas set on the target.")]
[GenericAdditionalPrinterColumn(".status.wanted", "Wanted", "integer", Description = "The replicas that demand asks for.")]
[GenericAdditionalPrinterColumn(
    ".status.affordable",
    "Affordable",
    "integer",
    Description = "The replicas that the budget covers; empty if no budget limits them."
)]
[GenericAdditionalPrinterColumn(".status.costPerHour", "Cost/h", "string", Description = "The cost per hour of the target's pods.")]
[GenericAdditionalPrinterColumn(".status.reason", "Reason", "string", Description = "Why the replicas are as they are.")]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
[GenericAdditionalPrinterColumn(".status.message", "Message", "string", Description = "The reason as a sentence for people.", Priority = 1)]
public sealed class V1Alpha1InferenceScaler : IKubernetesEntity<V1Alpha1InferenceScaler>
{
    public const string KindName = "InferenceScaler";
    public const string PluralName = "inferencescalers";

    public static EntityKind EntityKind { get; } = new(ApiGroup.Name, ApiGroup.Version, KindName, PluralName, Namespaced: true);

    public static JsonTypeInfo<V1Alpha1InferenceScaler> JsonTypeInfo => ApiJson.InferenceScaler;

    public string ApiVersion { get; set; } = ApiGroup.GroupVersion;

    public string Kind { get; set; } = KindName;

    public V1ObjectMeta Metadata { get; set; } = V1ObjectMeta.Empty;

    [Required]
    [Description("Desired state.")]
    public InferenceScalerSpec? Spec { get; set; }

    [Description("Observed demand, affordable replicas and the last scaling. Written by the operator.")]
    public InferenceScalerStatus? Status { get; set; }
}
