using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Informers;

/// <summary>An informer of any kind, for what is done with all of them alike.</summary>
public interface IInformer
{
    EntityKind Kind { get; }

    /// <summary>Whether the store has once been equal to the server's state.</summary>
    bool HasSynced { get; }

    /// <summary>The objects in the store with a field that could not be read.</summary>
    IReadOnlyList<IKubernetesObject> Unreadable { get; }

    /// <summary>Raised on the informer's loop for each such object as it comes, and again when other fields of it cannot be read.</summary>
    event Action<IKubernetesObject>? UnreadableSeen;

    Task HasSyncedAsync(CancellationToken cancellationToken);

    /// <summary>Runs until cancelled.</summary>
    Task RunAsync(CancellationToken cancellationToken);
}
