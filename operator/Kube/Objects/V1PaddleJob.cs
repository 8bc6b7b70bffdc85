using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kubeflow's PaddleJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "PaddleJob", PluralName = "paddlejobs")]
public sealed record V1PaddleJob : IKubernetesEntity<V1PaddleJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "PaddleJob", "paddlejobs");

    public static JsonTypeInfo<V1PaddleJob> JsonTypeInfo => KubeJson.Of<V1PaddleJob>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "PaddleJob";

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
