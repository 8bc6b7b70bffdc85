using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Any API object.</summary>
public interface IKubernetesObject
{
    string ApiVersion { get; }

    string Kind { get; }

    V1ObjectMeta Metadata { get; }
}

/// <summary>
/// A type that the client can read and write. The static members carry what other clients find by reflection, so that the
/// client stays trim- and AOT-safe, and an assembly brings the JSON of its own kinds.
/// </summary>
public interface IKubernetesEntity<TSelf> : IKubernetesObject
    where TSelf : class, IKubernetesEntity<TSelf>
{
    static abstract EntityKind EntityKind { get; }

    static abstract JsonTypeInfo<TSelf> JsonTypeInfo { get; }
}
