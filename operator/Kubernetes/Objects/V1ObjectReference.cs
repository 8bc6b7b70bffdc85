namespace Bursar.Kubernetes.Objects;

public sealed record V1ObjectReference
{
    public static readonly V1ObjectReference Empty = new();

    public string? ApiVersion { get; init; }

    public string? Kind { get; init; }

    public string? Namespace { get; init; }

    public string? Name { get; init; }

    public string? Uid { get; init; }

    public string? ResourceVersion { get; init; }

    public string? FieldPath { get; init; }

    public static V1ObjectReference To(IKubernetesObject target) =>
        new()
        {
            ApiVersion = target.ApiVersion,
            Kind = target.Kind,
            Namespace = target.Metadata.Namespace,
            Name = target.Metadata.Name,
            Uid = target.Metadata.Uid,
        };
}
