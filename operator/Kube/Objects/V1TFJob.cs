using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kubeflow's TFJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "TFJob", PluralName = "tfjobs")]
public sealed record V1TFJob : IKubernetesEntity<V1TFJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "TFJob", "tfjobs");

    public static JsonTypeInfo<V1TFJob> JsonTypeInfo => KubeJson.Of<V1TFJob>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "TFJob";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public KubeflowJobSpec Spec
    {
        get;
        init => field = value ?? KubeflowJobSpec.Empty;
    } = KubeflowJobSpec.Empty;

    public KubeflowJobStatus Status
    {
        get;
        init => field = value ?? KubeflowJobStatus.Empty;
    } = KubeflowJobStatus.Empty;
}
