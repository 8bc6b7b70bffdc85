using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kubeflow's PyTorchJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "PyTorchJob", PluralName = "pytorchjobs")]
public sealed record V1PyTorchJob : IKubernetesEntity<V1PyTorchJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs");

    public static JsonTypeInfo<V1PyTorchJob> JsonTypeInfo => KubeJson.Of<V1PyTorchJob>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "PyTorchJob";

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
