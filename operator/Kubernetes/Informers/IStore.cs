using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Informers;

/// <summary>What the API server was last known to hold of a kind. Safe from any thread; objects are immutable.</summary>
public interface IStore<T>
    where T : class, IKubernetesObject
{
    int Count { get; }

    T? Get(string? ns, string name);

    T? Get(ObjectKey key);

    T? GetByUid(string uid);

    IReadOnlyList<T> List();

    /// <summary>The objects with a field that could not be read. Nearly always empty, and cheap then.</summary>
    IReadOnlyList<T> Unreadable();

    /// <summary>Objects whose index function named the key. See <see cref="Indexes"/> for those that are always there.</summary>
    IReadOnlyList<T> ByIndex(string indexName, string key);
}

/// <summary>Names of the indexes that every store has.</summary>
public static class Indexes
{
    public const string Namespace = "namespace";

    /// <summary>By the uid of each owner.</summary>
    public const string OwnerUid = "owner-uid";
}
