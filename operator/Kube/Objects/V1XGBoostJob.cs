using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kubeflow's XGBoostJob.</summary>
[KubernetesEntity(Group = "kubeflow.org", ApiVersion = "v1", Kind = "XGBoostJob", PluralName = "xgboostjobs")]
public sealed record V1XGBoostJob : IKubernetesEntity<V1XGBoostJob>, IKubeflowJob
{
    public static EntityKind EntityKind { get; } = new("kubeflow.org", "v1", "XGBoostJob", "xgboostjobs");

    public static JsonTypeInfo<V1XGBoostJob> JsonTypeInfo => KubeJson.Of<V1XGBoostJob>();

    public string ApiVersion => "kubeflow.org/v1";

    public string Kind => "XGBoostJob";

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
