using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Informers;

/// <summary>An informer of any kind, for code that treats all kinds alike.</summary>
public interface IInformer
{
    EntityKind Kind { get; }

    /// <summary>True once the store has been equal to the API server's state. Decisions must wait for it.</summary>
    bool HasSynced { get; }

    /// <summary>The objects in the store that have an unreadable field.</summary>
    IReadOnlyList<IKubernetesObject> Unreadable { get; }

    /// <summary>Raised on the informer's loop for an object with unreadable fields, and again when other fields are unreadable.</summary>
    event Action<IKubernetesObject>? UnreadableSeen;

    Task HasSyncedAsync(CancellationToken cancellationToken);

    /// <summary>Lists and watches until cancelled, then returns without an exception.</summary>
    Task RunAsync(CancellationToken cancellationToken);
}
