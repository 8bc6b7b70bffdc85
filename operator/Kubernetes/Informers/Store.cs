using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Informers;

/// <summary>The store of one informer. Only the informer writes to it.</summary>
internal sealed class Store<T> : IStore<T>
    where T : class, IKubernetesObject
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ObjectKey, T> _byKey = [];
    private long _version;
    private readonly Dictionary<string, T> _byUid = new(StringComparer.Ordinal);
    private readonly Dictionary<ObjectKey, T> _unreadable = [];
    private readonly List<Index> _indexes =
    [
        new Index(Indexes.Namespace, static obj => [obj.Metadata.Namespace ?? ""]),
        new Index(Indexes.OwnerUid, static obj => obj.Metadata.OwnerReferences.Select(owner => owner.Uid)),
    ];

    public long Version
    {
        get
        {
            lock (_lock)
                return _version;
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
                return _byKey.Count;
        }
    }

    public T? Get(string? ns, string name) => Get(new ObjectKey(ns ?? "", name));

    public T? Get(ObjectKey key)
    {
        lock (_lock)
            return _byKey.GetValueOrDefault(key);
    }

    public T? GetByUid(string uid)
    {
        lock (_lock)
            return _byUid.GetValueOrDefault(uid);
    }

    public IReadOnlyList<T> List()
    {
        lock (_lock)
            return [.. _byKey.Values];
    }

    public IReadOnlyList<T> Unreadable()
    {
        lock (_lock)
            return _unreadable.Count == 0 ? [] : [.. _unreadable.Values];
    }

    public IReadOnlyList<T> ByIndex(string indexName, string key)
    {
        lock (_lock)
        {
            foreach (Index index in _indexes)
                if (index.Name == indexName)
                    return index.Entries.TryGetValue(key, out HashSet<T>? found) ? [.. found] : [];
        }

        throw new ArgumentException($"There is no index {indexName} of {typeof(T).Name}.", nameof(indexName));
    }

    public void AddIndex(string name, Func<T, IEnumerable<string>> keys)
    {
        lock (_lock)
        {
            if (_indexes.Any(index => index.Name == name))
                throw new ArgumentException($"There is an index {name} already.", nameof(name));
            Index added = new(name, keys);
            foreach (T obj in _byKey.Values)
                added.Add(obj);
            _indexes.Add(added);
        }
    }

    /// <summary>Stores the object. Returns the state that it replaces; null for a new object.</summary>
    public T? Put(T obj)
    {
        lock (_lock)
        {
            _version++;
            ObjectKey key = ObjectKey.From(obj);
            T? former = Remove_NeedsLock(key);
            _byKey[key] = obj;
            if (obj.Metadata.IsUnreadable)
                _unreadable[key] = obj;
            if (obj.Metadata.Uid.Length > 0)
                _byUid[obj.Metadata.Uid] = obj;
            foreach (Index index in _indexes)
                index.Add(obj);
            return former;
        }
    }

    public T? Remove(ObjectKey key)
    {
        lock (_lock)
            return Remove_NeedsLock(key);
    }

    public void EnsureCapacity(int count)
    {
        lock (_lock)
        {
            _byKey.EnsureCapacity(count);
            _byUid.EnsureCapacity(count);
        }
    }

    private T? Remove_NeedsLock(ObjectKey key)
    {
        if (!_byKey.Remove(key, out T? former))
            return null;
        _version++;
        _unreadable.Remove(key);
        if (_byUid.TryGetValue(former.Metadata.Uid, out T? same) && ReferenceEquals(same, former))
            _byUid.Remove(former.Metadata.Uid);
        foreach (Index index in _indexes)
            index.Remove(former);
        return former;
    }

    private sealed class Index(string name, Func<T, IEnumerable<string>> keys)
    {
        public string Name { get; } = name;

        // Compare by reference, because record equality compares all fields.
        public Dictionary<string, HashSet<T>> Entries { get; } = new(StringComparer.Ordinal);

        public void Add(T obj)
        {
            foreach (string key in keys(obj))
            {
                if (!Entries.TryGetValue(key, out HashSet<T>? set))
                    Entries[key] = set = new HashSet<T>(1, ReferenceEqualityComparer.Instance);
                set.Add(obj);
            }
        }

        public void Remove(T obj)
        {
            foreach (string key in keys(obj))
            {
                if (!Entries.TryGetValue(key, out HashSet<T>? set))
                    continue;
                set.Remove(obj);
                if (set.Count == 0)
                    Entries.Remove(key);
            }
        }
    }
}
