using System.Text.Json.Nodes;
using System.Threading.Channels;
using Bursar.Concurrency;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer.Garbage;

/// <summary>
/// Deletes objects without an existing owner, executes foreground deletion and orphaning, empties terminating namespaces, and deletes the
/// objects of a deleted CRD. It processes all committed changes in order, on one task.
/// </summary>
internal sealed class GarbageCollector : IAsyncDisposable
{
    private const string Foreground = "foregroundDeletion";
    private const string Orphan = "orphan";
    private const string What = "garbage collection";
    private const string CrdCleanup = "customresourcecleanup.apiextensions.k8s.io";
    private static readonly ResourceKey Namespaces = new("", "namespaces");

    private readonly ObjectStore _store;
    private readonly ObjectWriter _writer;
    private readonly KindRegistry _kinds;
    private readonly CustomResources _customResources;
    private readonly ActivityTracker? _activity;
    private readonly Channel<(ResourceKey Resource, Change Change)> _changes = Channel.CreateUnbounded<(ResourceKey, Change)>(
        new UnboundedChannelOptions { SingleReader = true }
    );
    private readonly Dictionary<string, Place> _byUid = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<Place>> _dependents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _terminating = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ResourceKey> _goingCrds = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;

    public GarbageCollector(
        ObjectStore store,
        ObjectWriter writer,
        KindRegistry kinds,
        CustomResources customResources,
        ActivityTracker? activity
    )
    {
        _store = store;
        _writer = writer;
        _kinds = kinds;
        _customResources = customResources;
        _activity = activity;
        store.Committed = (resource, change) =>
        {
            activity?.Begin(What);
            if (!_changes.Writer.TryWrite((resource, change)))
            {
                activity?.End(What);
            }
        };
        _loop = Task.Run(LoopAsync);
    }

    public async ValueTask DisposeAsync()
    {
        _changes.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task LoopAsync()
    {
        await foreach (var (resource, change) in _changes.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                if (!_stop.IsCancellationRequested)
                {
                    Handle(resource, change);
                }
            }
            catch (ApiError e) when (e.Code is 404 or 409)
            {
                // The object was changed or deleted meanwhile; that change follows in the channel.
            }
            finally
            {
                _activity?.End(What);
            }
        }
    }

    private void Handle(ResourceKey resource, Change change)
    {
        var obj = change.Object;
        var place = new Place(resource, obj.Namespace, obj.Name, obj.Uid);
        foreach (var owner in change.Previous?.Owners ?? [])
        {
            if (change.Type == ChangeType.Deleted || !obj.Owners.Any(o => o.Uid == owner.Uid))
            {
                if (_dependents.TryGetValue(owner.Uid, out var set) && set.Remove(place) && set.Count == 0)
                {
                    _dependents.Remove(owner.Uid);
                }
            }
        }

        if (change.Type == ChangeType.Deleted)
        {
            _byUid.Remove(obj.Uid);
            Deleted(resource, obj);
            return;
        }

        _byUid[obj.Uid] = place;
        foreach (var owner in obj.Owners)
        {
            if (!_dependents.TryGetValue(owner.Uid, out var set))
            {
                _dependents[owner.Uid] = set = [];
            }

            set.Add(place);
        }

        if (obj.IsTerminating)
        {
            Terminating(resource, obj);
        }
        else if (obj.Owners.Length > 0)
        {
            DeleteIfOwnerless(place);
        }
    }

    private void Deleted(ResourceKey resource, StoredObject obj)
    {
        foreach (var dependent in Dependents(obj.Uid))
        {
            DeleteIfOwnerless(dependent);
        }

        foreach (var owner in obj.Owners)
        {
            if (_byUid.TryGetValue(owner.Uid, out var place) && Live(place) is { IsTerminating: true } live)
            {
                Terminating(place.Resource, live);
            }
        }

        if (resource == CustomResources.Crds)
        {
            _goingCrds.Remove(obj.Name);
            _customResources.Removed(obj.Name);
        }

        if (resource == Namespaces)
        {
            _terminating.Remove(obj.Name);
        }
        else if (obj.Namespace.Length > 0 && _terminating.ContainsKey(obj.Namespace))
        {
            Empty(obj.Namespace);
        }

        foreach (var (crd, key) in _goingCrds.ToList())
        {
            if (key == resource)
            {
                EmptyCrd(crd, key);
            }
        }
    }

    private void Terminating(ResourceKey resource, StoredObject obj)
    {
        if (resource == Namespaces)
        {
            _terminating[obj.Name] = obj.Uid;
            Empty(obj.Name);
            return;
        }

        if (resource == CustomResources.Crds && obj.Finalizers.Contains(CrdCleanup))
        {
            var parsed = obj.Parse();
            var key = new ResourceKey(parsed.Text("spec", "group") ?? "", parsed.Text("spec", "names", "plural") ?? "");
            _goingCrds[obj.Name] = key;
            EmptyCrd(obj.Name, key);
            return;
        }

        if (obj.Finalizers.Contains(Orphan))
        {
            foreach (var dependent in Dependents(obj.Uid))
            {
                Disown(dependent, obj.Uid);
            }

            RemoveFinalizer(resource, obj, Orphan);
        }
        else if (obj.Finalizers.Contains(Foreground))
        {
            var blocked = false;
            foreach (var dependent in Dependents(obj.Uid))
            {
                if (Live(dependent) is not { } live)
                {
                    continue;
                }

                var blocks = live.Owners.Any(o => o.Uid == obj.Uid && o.BlockOwnerDeletion);
                blocked |= blocks;
                if (!live.IsTerminating && !HasOtherOwner(live, obj.Uid))
                {
                    Delete(dependent, blocks ? "Foreground" : "Background");
                }
                else if (HasOtherOwner(live, obj.Uid))
                {
                    Disown(dependent, obj.Uid);
                }
            }

            // Deletion may have finished at once. The deletion of each remaining dependent triggers this check again.
            if (
                !blocked
                || !Dependents(obj.Uid).Any(d => Live(d) is { } live && live.Owners.Any(o => o.Uid == obj.Uid && o.BlockOwnerDeletion))
            )
            {
                RemoveFinalizer(resource, obj, Foreground);
            }
        }
    }

    /// <summary>Deletes an object if none of its owners exists.</summary>
    private void DeleteIfOwnerless(Place place)
    {
        if (Live(place) is not { Owners.Length: > 0, IsTerminating: false } live)
        {
            return;
        }

        if (live.Owners.Any(o => Exists(o.Uid)))
        {
            foreach (var owner in live.Owners.Where(o => !Exists(o.Uid)))
            {
                Disown(place, owner.Uid);
            }

            return;
        }

        Delete(place, "Background");
    }

    private bool Exists(string uid) => _byUid.TryGetValue(uid, out var place) && Live(place) is not null;

    private bool HasOtherOwner(StoredObject obj, string uid) =>
        obj.Owners.Any(o => o.Uid != uid && _byUid.TryGetValue(o.Uid, out var place) && Live(place) is { IsTerminating: false });

    private List<Place> Dependents(string uid) => _dependents.TryGetValue(uid, out var set) ? [.. set] : [];

    private StoredObject? Live(Place place) =>
        _store.Get(place.Resource, place.Namespace, place.Name) is { } live && live.Uid == place.Uid ? live : null;

    private void Delete(Place place, string policy)
    {
        if (_writer.TypeOf(place.Resource) is { } type)
        {
            Try(() =>
                _writer.Delete(
                    type,
                    place.Namespace,
                    place.Name,
                    new JsonObject
                    {
                        ["propagationPolicy"] = policy,
                        ["preconditions"] = new JsonObject { ["uid"] = place.Uid },
                    },
                    WriteOptions.Internal
                )
            );
        }
    }

    private void Disown(Place place, string uid)
    {
        if (_writer.TypeOf(place.Resource) is not { } type)
        {
            return;
        }

        Try(() =>
            _writer.Update(
                type,
                place.Namespace,
                place.Name,
                "",
                current =>
                {
                    var left = current
                        .Objects("metadata", "ownerReferences")
                        .Where(o => o.Text("uid") != uid)
                        .Select(o => o.DeepClone())
                        .ToArray();
                    if (left.Length > 0)
                    {
                        current.Child("metadata")["ownerReferences"] = new JsonArray(left);
                    }
                    else
                    {
                        current.Child("metadata").Remove("ownerReferences");
                    }

                    return current;
                },
                [],
                WriteOptions.Internal
            )
        );
    }

    private void RemoveFinalizer(ResourceKey resource, StoredObject obj, string finalizer)
    {
        if (_writer.TypeOf(resource) is not { } type)
        {
            return;
        }

        Try(() =>
            _writer.Update(
                type,
                obj.Namespace,
                obj.Name,
                "",
                current =>
                {
                    var left = (current.At("metadata", "finalizers") as JsonArray ?? [])
                        .Where(f => f.Text() != finalizer)
                        .Select(f => f?.DeepClone())
                        .ToArray();
                    if (left.Length > 0)
                    {
                        current.Child("metadata")["finalizers"] = new JsonArray(left);
                    }
                    else
                    {
                        current.Child("metadata").Remove("finalizers");
                    }

                    return current;
                },
                [],
                WriteOptions.Internal
            )
        );
    }

    private void Empty(string @namespace)
    {
        var left = 0;
        foreach (var resource in _store.Resources)
        {
            if (resource == Namespaces || _writer.TypeOf(resource) is not { Kind.Namespaced: true } type)
            {
                continue;
            }

            foreach (var obj in _store.List(resource, @namespace).Objects)
            {
                if (!obj.IsTerminating)
                {
                    Try(() =>
                        _writer.Delete(
                            type,
                            @namespace,
                            obj.Name,
                            new JsonObject { ["propagationPolicy"] = "Background" },
                            WriteOptions.Internal
                        )
                    );
                }
            }

            left += _store.List(resource, @namespace).Objects.Count();
        }

        if (left > 0)
        {
            return;
        }

        var namespaces = _writer.TypeOf(Namespaces)!;
        if (_store.Get(Namespaces, "", @namespace) is { IsTerminating: true })
        {
            Try(() =>
                _writer.Update(
                    namespaces,
                    "",
                    @namespace,
                    "finalize",
                    current =>
                    {
                        current.Child("spec").Remove("finalizers");
                        return current;
                    },
                    [],
                    WriteOptions.Internal
                )
            );
        }
    }

    private void EmptyCrd(string crd, ResourceKey key)
    {
        if (_kinds.FindAnyVersion(key.Group, key.Plural) is { } kind)
        {
            var type = ResourceType.From(kind);
            foreach (var obj in _store.List(key, null).Objects)
            {
                if (!obj.IsTerminating)
                {
                    Try(() => _writer.Delete(type, obj.Namespace, obj.Name, null, WriteOptions.Internal));
                }
            }
        }

        if (!_store.List(key, null).Objects.Any() && _store.Get(CustomResources.Crds, "", crd) is { } definition)
        {
            RemoveFinalizer(CustomResources.Crds, definition, CrdCleanup);
        }
    }

    private static void Try(Action act)
    {
        try
        {
            act();
        }
        catch (ApiError e) when (e.Code is 404 or 409)
        {
            // Deleted or changed meanwhile; that change follows in the channel.
        }
    }

    private sealed record Place(ResourceKey Resource, string Namespace, string Name, string Uid);
}
