namespace Bursar.Kubernetes.Objects;

public sealed record V1PodTemplateSpec
{
    public static readonly V1PodTemplateSpec Empty = new();

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1PodSpec Spec
    {
        get;
        init => field = value ?? V1PodSpec.Empty;
    } = V1PodSpec.Empty;
}
