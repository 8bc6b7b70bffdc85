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
/// A type that the client can read and write. Its static members replace reflection, so that the client is trim- and AOT-safe and other
/// assemblies can add kinds with their own JSON.
/// </summary>
public interface IKubernetesEntity<TSelf> : IKubernetesObject
    where TSelf : class, IKubernetesEntity<TSelf>
{
    static abstract EntityKind EntityKind { get; }

    static abstract JsonTypeInfo<TSelf> JsonTypeInfo { get; }
}
