using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// An immutable map of a few strings (labels, annotations, resources) in one array, because a dictionary costs several hundred bytes per
/// pod. Look-ups are linear.
/// </summary>
[JsonConverter(typeof(StringMapConverter))]
public sealed class StringMap : IReadOnlyDictionary<string, string>, IEquatable<StringMap>
{
    public static readonly StringMap Empty = new([]);

    private readonly string[] _pairs;

    internal StringMap(string[] pairs) => _pairs = pairs;

    public int Count => _pairs.Length / 2;

    public IEnumerable<string> Keys
    {
        get
        {
            for (int i = 0; i < _pairs.Length; i += 2)
                yield return _pairs[i];
        }
    }

    public IEnumerable<string> Values
    {
        get
        {
            for (int i = 1; i < _pairs.Length; i += 2)
                yield return _pairs[i];
        }
    }

    public string this[string key] =>
        TryGetValue(key, out string? value) ? value : throw new KeyNotFoundException($"There is no entry {key}.");

    public static StringMap From(IEnumerable<KeyValuePair<string, string>> entries)
    {
        if (entries is StringMap map)
            return map;
        List<string> pairs = [];
        foreach ((string key, string value) in entries)
        {
            pairs.Add(key);
            pairs.Add(value);
        }

        return pairs.Count == 0 ? Empty : new StringMap([.. pairs]);
    }

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        string[] pairs = _pairs;
        for (int i = 0; i < pairs.Length; i += 2)
        {
            if (string.Equals(pairs[i], key, StringComparison.Ordinal))
            {
                value = pairs[i + 1];
                return true;
            }
        }

        value = null;
        return false;
    }

    public IEnumerator<KeyValuePair<string, string>> GetEnumerator()
    {
        for (int i = 0; i < _pairs.Length; i += 2)
            yield return new KeyValuePair<string, string>(_pairs[i], _pairs[i + 1]);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Returns whether both maps have the same entries, in any order.</summary>
    public bool Equals(StringMap? other)
    {
        if (ReferenceEquals(this, other))
            return true;
        if (other is null || other._pairs.Length != _pairs.Length)
            return false;
        if (_pairs.AsSpan().SequenceEqual(other._pairs))
            return true;
        for (int i = 0; i < _pairs.Length; i += 2)
            if (!other.TryGetValue(_pairs[i], out string? value) || !string.Equals(value, _pairs[i + 1], StringComparison.Ordinal))
                return false;
        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as StringMap);

    public override int GetHashCode()
    {
        int hash = 0;
        for (int i = 0; i < _pairs.Length; i += 2)
            hash ^= HashCode.Combine(_pairs[i], _pairs[i + 1]);
        return hash;
    }
}

/// <summary>Reads a map of strings. A number or boolean keeps its text, because templates may have quantities as numbers.</summary>
public sealed class StringMapConverter : JsonConverter<IReadOnlyDictionary<string, string>>
{
    public override bool CanConvert(Type typeToConvert) =>
        typeToConvert == typeof(IReadOnlyDictionary<string, string>) || typeToConvert == typeof(StringMap);

    public override IReadOnlyDictionary<string, string> Read(
        ref Utf8JsonReader reader,
        Type typeToConvert,
        JsonSerializerOptions options
    ) => Wire.Map(ref reader);

    public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, string> value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        foreach ((string key, string text) in value)
            writer.WriteString(key, text);
        writer.WriteEndObject();
    }
}
