using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kubeflow's JAXJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "JAXJob", PluralName = "jaxjobs")]
public sealed record V1JAXJob : IKubernetesEntity<V1JAXJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "JAXJob", "jaxjobs");

    public static JsonTypeInfo<V1JAXJob> JsonTypeInfo => KubeJson.Of<V1JAXJob>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "JAXJob";

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
