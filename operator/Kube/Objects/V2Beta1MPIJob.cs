using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>The MPI operator's MPIJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v2beta1", Kind = "MPIJob", PluralName = "mpijobs")]
public sealed record V2Beta1MPIJob : IKubernetesEntity<V2Beta1MPIJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v2beta1", "MPIJob", "mpijobs");

    public static JsonTypeInfo<V2Beta1MPIJob> JsonTypeInfo => KubeJson.Of<V2Beta1MPIJob>();

    public string ApiVersion => "kubeflow.org/v2beta1";

    public string Kind => "MPIJob";

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
