"""Who is asking, and what they may do: permissions, proofs (bearer, API token, cookie), keys and passwords."""
