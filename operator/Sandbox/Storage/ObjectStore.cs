using System.Text.Json.Nodes;
using Names = System.Collections.Immutable.ImmutableSortedDictionary<string, Bursar.Sandbox.Storage.StoredObject>;
using Spaces = System.Collections.Immutable.ImmutableSortedDictionary<
    string,
    System.Collections.Immutable.ImmutableSortedDictionary<string, Bursar.Sandbox.Storage.StoredObject>
>;

namespace Bursar.Sandbox.Storage;

public enum ChangeType
{
    Added,
    Modified,
    Deleted,
}

/// <summary>A committed write. A watch compares <see cref="Previous"/> to detect that an object no longer matches its selector.</summary>
public sealed record Change(long ResourceVersion, ChangeType Type, StoredObject Object, StoredObject? Previous);

/// <summary>
/// Stores all objects in memory with one increasing resource version. Every write is appended to its resource's bounded history, which
/// watches follow. Lists are snapshots of immutable trees, so readers do not wait for writers. Safe for concurrent use.
/// </summary>
public sealed class ObjectStore(int historyLength)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ResourceKey, Table> _tables = [];
    private long _revision = 1000;

    /// <summary>Called inside each write, in order and under the lock, so it must only enqueue the change.</summary>
    public Action<ResourceKey, Change>? Committed { get; set; }

    public long Revision => Volatile.Read(ref _revision);

    /// <summary>The resources with at least one object.</summary>
    public IReadOnlyList<ResourceKey> Resources
    {
        get
        {
            lock (_gate)
            {
                return [.. _tables.Where(t => t.Value.Objects.Count > 0).Select(t => t.Key)];
            }
        }
    }

    public StoredObject? Get(ResourceKey resource, string @namespace, string name) =>
        TableOf(resource).Objects.TryGetValue(@namespace, out var names) && names.TryGetValue(name, out var found) ? found : null;

    /// <summary>Returns a snapshot of a resource (all namespaces if null) and its version.</summary>
    public (IEnumerable<StoredObject> Objects, long Revision) List(ResourceKey resource, string? @namespace)
    {
        Spaces spaces;
        long revision;
        lock (_gate)
        {
            spaces = OfNeedsLock(resource).Objects;
            revision = _revision;
        }

        if (@namespace is not null)
        {
            return (spaces.TryGetValue(@namespace, out var names) ? names.Values : [], revision);
        }

        return (spaces.Values.SelectMany(n => n.Values), revision);
    }

    /// <summary>Stores a new object. Null if the name exists.</summary>
    public StoredObject? Create(ResourceKey resource, string @namespace, string name, JsonObject obj)
    {
        lock (_gate)
        {
            var table = OfNeedsLock(resource);
            if (table.Objects.TryGetValue(@namespace, out var names) && names.ContainsKey(name))
            {
                return null;
            }

            var stored = StoredObject.From(resource, obj, ++_revision);
            table.Set(@namespace, name, stored);
            Append(resource, table, new Change(_revision, ChangeType.Added, stored, null));
            return stored;
        }
    }

    /// <summary>Replaces an object. Null if it is no longer at the expected version.</summary>
    public StoredObject? Replace(ResourceKey resource, StoredObject expected, JsonObject obj)
    {
        lock (_gate)
        {
            var table = OfNeedsLock(resource);
            if (!table.Holds(expected))
            {
                return null;
            }

            var stored = StoredObject.From(resource, obj, ++_revision);
            table.Set(expected.Namespace, expected.Name, stored);
            Append(resource, table, new Change(_revision, ChangeType.Modified, stored, expected));
            return stored;
        }
    }

    /// <summary>
    /// Removes an object and returns its last state with the version of its removal. Null if it is no longer at the expected version.
    /// </summary>
    public StoredObject? Remove(ResourceKey resource, StoredObject expected, JsonObject lastState)
    {
        lock (_gate)
        {
            var table = OfNeedsLock(resource);
            if (!table.Holds(expected))
            {
                return null;
            }

            var stored = StoredObject.From(resource, lastState, ++_revision);
            table.Delete(expected.Namespace, expected.Name);
            Append(resource, table, new Change(_revision, ChangeType.Deleted, stored, expected));
            return stored;
        }
    }

    /// <summary>
    /// Follows a resource after a version, or from a snapshot if <paramref name="after"/> is null. Returns null if the history no longer
    /// contains that version. <paramref name="signal"/> is called under the lock, so it must only set a flag.
    /// </summary>
    public Subscription? Follow(ResourceKey resource, long? after, Action signal)
    {
        lock (_gate)
        {
            var table = OfNeedsLock(resource);
            if (after is { } version && version < table.ForgottenUpTo)
            {
                return null;
            }

            var subscription = new Subscription(this, table, signal)
            {
                Position = after is { } from ? table.PositionAfter(from) : table.NextPosition,
                Snapshot = table.Objects,
                Revision = _revision,
            };
            table.Followers.Add(subscription);
            return subscription;
        }
    }

    /// <summary>Drops the history of every resource, so that watches from older versions get 410.</summary>
    public void ForgetHistory()
    {
        lock (_gate)
        {
            foreach (var table in _tables.Values)
            {
                table.Forget(_revision);
            }
        }
    }

    private void Append(ResourceKey resource, Table table, Change change)
    {
        table.Append(change, historyLength);
        Committed?.Invoke(resource, change);
    }

    private Table TableOf(ResourceKey resource)
    {
        lock (_gate)
        {
            return OfNeedsLock(resource);
        }
    }

    private Table OfNeedsLock(ResourceKey resource)
    {
        if (!_tables.TryGetValue(resource, out var table))
        {
            table = new Table(_revision);
            _tables.Add(resource, table);
        }

        return table;
    }

    internal sealed class Table(long createdAt)
    {
        private readonly Queue<Change> _history = [];
        private long _first;

        public Spaces Objects { get; private set; } = Spaces.Empty.WithComparers(StringComparer.Ordinal);

        public List<Subscription> Followers { get; } = [];

        /// <summary>The version up to which changes were dropped from the history.</summary>
        public long ForgottenUpTo { get; private set; } = createdAt;

        public long NextPosition => _first + _history.Count;

        public bool Holds(StoredObject expected) =>
            Objects.TryGetValue(expected.Namespace, out var names)
            && names.TryGetValue(expected.Name, out var present)
            && ReferenceEquals(present, expected);

        public void Set(string @namespace, string name, StoredObject stored)
        {
            var names = Objects.TryGetValue(@namespace, out var present) ? present : Names.Empty.WithComparers(StringComparer.Ordinal);
            Objects = Objects.SetItem(@namespace, names.SetItem(name, stored));
        }

        public void Delete(string @namespace, string name)
        {
            var names = Objects[@namespace].Remove(name);
            Objects = names.IsEmpty ? Objects.Remove(@namespace) : Objects.SetItem(@namespace, names);
        }

        public void Append(Change change, int historyLength)
        {
            _history.Enqueue(change);
            while (_history.Count > historyLength)
            {
                ForgottenUpTo = _history.Dequeue().ResourceVersion;
                _first++;
            }

            foreach (var follower in Followers)
            {
                follower.Signal();
            }
        }

        public void Forget(long upTo)
        {
            _first += _history.Count;
            _history.Clear();
            ForgottenUpTo = upTo;
        }

        public long PositionAfter(long version)
        {
            var position = _first;
            foreach (var change in _history)
            {
                if (change.ResourceVersion > version)
                {
                    break;
                }

                position++;
            }

            return position;
        }

        /// <summary>Returns the changes from a position on; null if some were dropped.</summary>
        public List<Change>? From(long position) => position < _first ? null : [.. _history.Skip((int)(position - _first))];
    }

    /// <summary>The position of a watch in a resource's history.</summary>
    public sealed class Subscription : IDisposable
    {
        private readonly ObjectStore _store;
        private readonly Table _table;
        private readonly Action _signal;

        internal Subscription(ObjectStore store, Table table, Action signal)
        {
            _store = store;
            _table = table;
            _signal = signal;
        }

        internal Spaces Snapshot { get; init; } = Spaces.Empty;

        internal long Position { get; set; }

        /// <summary>The store's version when the subscription began.</summary>
        public long Revision { get; init; }

        /// <summary>Returns the objects in the store when the subscription began.</summary>
        public IEnumerable<StoredObject> Initial(string? @namespace) =>
            @namespace is null ? Snapshot.Values.SelectMany(n => n.Values)
            : Snapshot.TryGetValue(@namespace, out var names) ? names.Values
            : [];

        /// <summary>
        /// Returns the changes since the last call and the version up to which they are complete. Changes are null if some were dropped
        /// from the history.
        /// </summary>
        public (List<Change>? Changes, long Revision) Take()
        {
            lock (_store._gate)
            {
                if (_table.NextPosition == Position)
                {
                    return ([], _store._revision);
                }

                var changes = _table.From(Position);
                Position = _table.NextPosition;
                return (changes, _store._revision);
            }
        }

        internal void Signal() => _signal();

        public void Dispose()
        {
            lock (_store._gate)
            {
                _table.Followers.Remove(this);
            }
        }
    }
}
