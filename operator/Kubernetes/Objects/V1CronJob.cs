using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "batch", ApiVersion = "v1", Kind = "CronJob", PluralName = "cronjobs")]
public sealed record V1CronJob : IKubernetesEntity<V1CronJob>
{
    public static EntityKind EntityKind { get; } = new("batch", "v1", "CronJob", "cronjobs");

    public static JsonTypeInfo<V1CronJob> JsonTypeInfo => KubeJson.TypeInfo<V1CronJob>();

    public string ApiVersion => "batch/v1";

    public string Kind => "CronJob";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1CronJobSpec Spec
    {
        get;
        init => field = value ?? V1CronJobSpec.Empty;
    } = V1CronJobSpec.Empty;
}

public sealed record V1CronJobSpec
{
    public static readonly V1CronJobSpec Empty = new();

    public bool? Suspend { get; init; }

    public string? ConcurrencyPolicy { get; init; }
}

public sealed record V1JobTemplateSpec
{
    public static readonly V1JobTemplateSpec Empty = new();

    public V1JobSpec Spec
    {
        get;
        init => field = value ?? V1JobSpec.Empty;
    } = V1JobSpec.Empty;
}
