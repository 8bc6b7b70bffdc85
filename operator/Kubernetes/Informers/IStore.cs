using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Informers;

/// <summary>The objects of one kind, as last read from the API server. Thread-safe; the objects are immutable.</summary>
public interface IStore<T>
    where T : class, IKubernetesObject
{
    int Count { get; }

    /// <summary>Gets a number that rises whenever an object is added, replaced or removed.</summary>
    long Version { get; }

    T? Get(string? ns, string name);

    T? Get(ObjectKey key);

    T? GetByUid(string uid);

    IReadOnlyList<T> List();

    /// <summary>Returns the objects that have an unreadable field. Nearly always empty, and cheap then.</summary>
    IReadOnlyList<T> Unreadable();

    /// <summary>Returns the objects for which the index's function yields the key. Every store has the <see cref="Indexes"/>.</summary>
    /// <exception cref="ArgumentException">The store has no such index.</exception>
    IReadOnlyList<T> ByIndex(string indexName, string key);
}

/// <summary>Names of the indexes that every store has.</summary>
public static class Indexes
{
    public const string Namespace = "namespace";

    /// <summary>The UIDs of the ownerReferences.</summary>
    public const string OwnerUid = "owner-uid";
}
